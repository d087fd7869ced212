"""`syncd dead-letters` and `syncd jobs approve`, beside a daemon and without one."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Serving, serving
from tests.integration.cli.conftest import Call, Shop
from tests.waiting import until
from tests.world import World

BROKEN = "UPDATE orders SET product = CAST(x'ff' AS TEXT) WHERE id = ?"
MENDED = "UPDATE orders SET product = 'mended ' || id WHERE id = ?"


@pytest.fixture
def broken(shop: Shop, call: Call) -> Shop:
    """A shop two of whose orders could not be synced."""
    shop.execute(BROKEN, (7,), (8,))
    assert call("sync", "orders").returncode == 1
    return shop


def of(call: Call, *arguments: str) -> Any:
    """Return what a command that must succeed tells programs."""
    done = call(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def keys(call: Call) -> list[str]:
    """The keys that `list` tells."""
    return [letter["key"] for letter in of(call, "dead-letters", "list", "orders")]


def test_dead_letters_are_listed_and_shown_with_their_reasons(broken: Shop, call: Call) -> None:
    listed = call("dead-letters", "list", "orders", "--limit", "1")
    assert listed.stdout.splitlines()[1].split()[:2] == ["7", "1"]
    assert "the text is not valid Unicode" in listed.stdout
    assert "1 more: --limit 2 shows all" in listed.stderr
    shown = of(call, "dead-letters", "show", "orders", "7")
    assert (shown["key"], shown["attempts"], shown["first_seen"]) == ("7", 1, shown["last_seen"])
    assert "attempts    1" in call("dead-letters", "show", "orders", "7").stdout.splitlines()
    unknown = call("dead-letters", "show", "orders", "9")
    assert (unknown.returncode, "orders has no dead letter 9" in unknown.stderr) == (2, True)
    assert call("dead-letters", "list", "nothing").returncode == 2
    assert "dead-letters list orders" in call("status").stdout


def test_a_replay_exits_with_1_until_none_is_left(broken: Shop, call: Call) -> None:
    assert call("dead-letters", "replay", "orders").returncode == 2, "neither keys nor --all"
    broken.execute(MENDED, (7,))
    done = call("dead-letters", "replay", "orders", "--all", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"], told["left"]) == (1, "completed_with_warnings", 1)
    assert (told["records_read"], told["embedded"], told["dead_lettered"]) == (2, 1, 1)
    again = call("dead-letters", "replay", "orders", "8")
    assert (again.returncode, "1 of them are still dead letters" in again.stderr) == (1, True)
    broken.execute(MENDED, (8,))
    last = call("dead-letters", "replay", "orders", "8")
    assert (last.returncode, last.stdout.split(" in ")[0]) == (0, "orders: completed")
    assert keys(call) == []
    assert call("dead-letters", "replay", "orders", "--all").returncode == 0


def test_a_discarded_row_comes_back_when_it_is_read_next(broken: Shop, call: Call) -> None:
    assert "1 dead letters of orders are discarded" in call("dead-letters", "discard", "orders", "7").stderr
    assert call("dead-letters", "discard", "orders", "7").returncode == 2
    assert keys(call) == ["8"]
    assert call("dead-letters", "discard", "orders", "--all", "--yes").returncode == 0
    assert keys(call) == []
    call("sync", "orders", "--full")
    assert keys(call) == ["7", "8"]


class Typed(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "left"), [("n\n", ["7", "8"]), ("y\n", [])])
def test_discarding_at_a_terminal_asks_first(
    broken: Shop, call: Call, monkeypatch: pytest.MonkeyPatch, typed: str, left: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Typed(typed))
    done = call("dead-letters", "discard", "orders", "--all")
    assert (done.returncode, "Discard 2 dead letters of orders?" in done.stderr) == (int(bool(left)), True)
    assert keys(call) == left


def test_a_text_is_named_without_its_quotes(shop: Shop, call: Call) -> None:
    """As a shell hands it over."""
    shop.execute("CREATE TABLE people (name TEXT PRIMARY KEY, about TEXT, at INTEGER)")
    shop.execute("INSERT INTO people VALUES (?, CAST(x'ff' AS TEXT), 1)", ('ann "the" best',), ("bob",))
    people = {"source_table": "shop.people", "kb_name": "goods", "content_columns": ["about"], "filter_column": "at"}
    job = json.dumps({**people, "interval": "1 DAY"})
    shop.configure((shop.folder / "syncd.yaml").read_text().replace("jobs:\n", f"jobs:\n  people: {job}\n"))
    assert call("sync", "people").returncode == 1
    assert of(call, "dead-letters", "show", "people", 'ann "the" best')["key"] == '"ann \\"the\\" best"'
    call("dead-letters", "discard", "people", '"bob"', 'ann "the" best')
    assert of(call, "dead-letters", "list", "people") == []


def test_beside_a_daemon_the_daemon_replays(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 5)
    world.execute("UPDATE t SET body = CAST(x'ff' AS TEXT) WHERE id = 2")
    with serving(world) as daemon:
        assert daemon.first().status == "completed_with_warnings"
        world.execute("UPDATE t SET body = 'mended' WHERE id = 2")
        done = world.run("dead-letters", "replay", "copy", "2", "--json")
        assert (done.returncode, json.loads(done.stdout)["embedded"]) == (0, 1), done.stderr
        assert daemon.client.get("/v1/jobs/copy/dead-letters").json()["data"] == []


@pytest.fixture
def emptied(tmp_path: Path, sqlite_url: str) -> World:
    """A job that sweeps, whose table has lost most of its rows since its last run."""
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("mode: soft, column: gone", "mode: sweep"))
    world.fill(1, 200)
    world.sync()
    with closing(sqlite3.connect(tmp_path / "source.db")) as connection, connection:
        connection.execute("DELETE FROM t WHERE id > 20")
    return world


def test_a_withheld_sweep_is_told_and_approved_without_a_daemon(emptied: World) -> None:
    held = emptied.run("sync", "copy", "--sweep")
    assert (held.returncode, "180 of 200 documents" in held.stdout) == (1, True), held.stdout + held.stderr
    for command in (("jobs", "show", "copy"), ("status",)):
        assert "180 of 200 documents" in emptied.run(*command).stdout
    for _ in range(2):
        approved = emptied.run("jobs", "approve", "copy")
        assert approved.stdout == "run_3 of copy is queued: it may remove 180 documents that have no row\n"
    done = emptied.run("sync", "copy", "--json")
    assert (done.returncode, json.loads(done.stdout)["deleted"]) == (0, 180)
    emptied.assert_in_step()
    assert emptied.run("jobs", "approve", "copy").returncode == 2, "nothing waits any more"


def test_a_withheld_sweep_is_approved_beside_a_daemon(emptied: World) -> None:
    with serving(emptied) as daemon:
        held = emptied.run("jobs", "trigger", "copy", "--sweep", "--json")
        assert (held.returncode, json.loads(held.stdout)["status"]) == (1, "failed")
        told = json.loads(emptied.run("jobs", "approve", "copy", "--json").stdout)
        assert told["documents"] == 180
        ended = until(lambda: _ended(daemon, told["run_id"]))
        assert ended is not None
        assert (ended["status"], ended["deleted"]) == ("completed", 180)
        assert daemon.client.get("/v1/jobs/copy").json()["blocked_reason"] is None
    emptied.assert_in_step()


def _ended(daemon: Serving, run: str) -> dict[str, Any] | None:
    """Return a run when it has ended."""
    told: dict[str, Any] = daemon.client.get(f"/v1/runs/{run}").json()
    return told if told["finished_at"] else None
