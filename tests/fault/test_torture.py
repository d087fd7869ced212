"""`syncd torture`: syncd survives it, the loop that most people write first does not, and a bug in syncd is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from syncd.tally import STEPS

# With its kills at random moments no two are quite alike; a seed that fails is printed with what it did.
SEED = 5

SABOTAGED = """
import sys
from tests.sabotage.bugs import BUGS
from syncd.cli import main
name = sys.argv.pop(1)
[bug] = [bug for bug in BUGS if bug.name == name]
setattr(bug.owner, bug.place, bug.replacement(bug.owner.__dict__[bug.place]))
main()
"""


def _torture(program: list[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    # A process of its own: this one has threads, and cannot be forked.
    command = [sys.executable, *program, "torture", "--seed", str(SEED), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_syncd_survives(record_property: Any) -> None:
    """Twenty kills: nothing lost, stale, doubled, orphaned, out of reach, missed between sweeps or embedded without need."""
    code, report = _torture(["-m", "syncd"], "--kills", "20")
    assert (code, report["survived"]) == (0, True), report
    assert report["killed"] == 20
    assert set(report["kills"]) <= {*STEPS, "at random"}
    assert report["late_commits"] > 0
    assert report["documents"] > 50


def test_it_survives_beside_transactions_that_commit_late(postgres_url: str) -> None:
    """The same on PostgreSQL, in a database that is empty before and after; one that is not is refused."""
    code, report = _torture(["-m", "syncd"], "--kills", "8", "--database", postgres_url)
    assert (code, report["survived"]) == (0, True), report
    assert report["changes"]["transaction held"] > 0


def test_a_database_that_holds_something_is_refused(sqlite_url: str) -> None:
    from tests.tables import execute

    execute(sqlite_url, "CREATE TABLE mine (id INTEGER)")
    done = subprocess.run(
        [sys.executable, "-m", "syncd", "torture", "--database", sqlite_url],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 2
    assert "the database holds mine already, and stays as it is" in done.stderr


def test_the_naive_loop_does_not_survive() -> None:
    """The same changes and kills leave it with rows that are lost, stale, doubled and orphaned."""
    code, report = _torture(["-m", "syncd"], "--kills", "10", "--naive")
    assert (code, report["survived"]) == (1, False)
    assert all(report["wrong"][what] for what in ("lost", "stale", "doubled", "orphaned")), report["wrong"]


def test_a_bug_in_syncd_is_noticed() -> None:
    code, report = _torture(["-c", SABOTAGED, "no tail delete"], "--kills", "5")
    assert (code, report["survived"]) == (1, False)
    assert report["wrong"]["doubled"] > 0
