"""The requests of the pages about jobs, runs and dead letters, sent one after the other to a daemon as they stand there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Serving, serving
from tests.docs.pages import ROOT, Block, blocks, rows
from tests.waiting import until
from tests.world import World

PAGES = ["docs/api/jobs.md", "docs/api/runs.md", "docs/api/dead-letters.md"]
OPERATING = ROOT / "docs" / "operating.md"


@pytest.fixture
def daemon(tmp_path: Path, sqlite_url: str) -> Iterator[Serving]:
    """A daemon with the database and the knowledge bases that the pages name."""
    world = World.make(tmp_path, sqlite_url)
    other = world.config.read_text().partition("  kb_one:\n")[2].partition("jobs:\n")[0]
    world.rewrite(("  db: ", f"  orders_db: {sqlite_url}\n  db: "), ("kb_name: kb_one", "kb_name: orders_kb"))
    copy = other.replace(f"{tmp_path}/kb", f"{tmp_path}/copy")
    world.rewrite(("  kb_one:\n", f"  orders_copy:\n{copy}  orders_kb:\n"))
    world.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, product TEXT, description TEXT, category TEXT, created_at TIMESTAMP)",
        "INSERT INTO orders VALUES (1, 'tea', 'hot', 'drinks', '2026-01-01'), (2, 'tent', 'dry', 'camp', '2026-01-02')",
        "INSERT INTO orders VALUES (3, CAST(x'ff' AS TEXT), 'broken', 'camp', '2026-01-03')",
    )
    with serving(world) as running:
        yield running


def sent(daemon: Serving, block: Block) -> list[str]:
    """Send each request of an example, and return the answers."""
    text = block.text.replace("http://127.0.0.1:8000", str(daemon.client.base_url).rstrip("/"))
    marked = text.replace("curl -s", "printf '\\0'; curl --fail-with-body -sS")
    ended = subprocess.run(["bash", "-ec", marked], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, f"{block.id}: {ended.stdout}{ended.stderr}"
    return ended.stdout.split("\0")[1:]


def test_every_request_of_the_pages_is_done(daemon: Serving) -> None:
    first, whole, questions, runs, letters = [block for page in PAGES for block in blocks("sh", page=page)]
    [made] = sent(daemon, first)
    assert json.loads(made)["data"]["next_run"] == "2030-01-01T00:00:00Z"
    created, changed, found, *_, health = (json.loads(answer) for answer in sent(daemon, whole))
    assert (created["version"], changed["version"], changed["interval"]) == (1, 2, "6 HOURS")
    assert [job["name"] for job in found["data"]] == ["all_orders"]
    assert health["success_rate"] in {None, 1.0}

    def quiet() -> bool:
        live: list[dict[str, Any]] = daemon.client.get("/v1/runs").json()["data"]
        return all(run["finished_at"] for run in live)

    assert daemon.client.post("/v1/jobs/all_orders/trigger").status_code in {200, 201}
    until(quiet, what="the first runs did not end")
    plan, verification, why = sent(daemon, questions)
    assert json.loads(plan)["embedded"] == 0
    assert json.loads(verification.splitlines()[-1])["result"]["in_step"]
    assert json.loads(why)["answer"] == "synced"
    assert "event: end" in "".join(sent(daemon, runs))
    until(quiet, what="the runs that were triggered did not end")
    listed, replayed, discarded = (json.loads(answer) for answer in sent(daemon, letters))
    assert [(letter["key"], letter["attempts"]) for letter in listed["data"]] == [("3", 1)]
    assert (replayed["replay"], discarded) == (True, {"discarded": 1})


def test_the_pages_name_the_routes_of_their_resource() -> None:
    """Each route of jobs and runs is in the table of one of the pages, under the path that it has."""
    routes = [row[0].strip("`") for row in rows(OPERATING, "Health and metrics") if "/" in row[0]]
    pages = "".join((ROOT / page).read_text() for page in PAGES)
    for route in routes:
        _, _, path = route.partition(" ")
        if path.startswith(("/jobs/create", "/v1/jobs", "/v1/runs")):
            assert path in pages, route
