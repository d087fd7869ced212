"""Runs on demand, through the whole daemon: rehearsed, narrowed, held back, tried again, and told about."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import TransientError
from tests.daemon import Serving, serving
from tests.waiting import until
from tests.world import World, now


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(
        ("    filter_column: f", "    filters: [{column: tag, op: eq, variable: tag}]\n    filter_column: f"),
        ("interval: 1 DAY", "interval: 1 DAY\n    start_time: 2100-01-01T00:00:00"),
    )
    world.fill(1, 250)
    return world


@pytest.fixture
def daemon(world: World) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


def ended(daemon: Serving, run: str) -> dict[str, Any]:
    """Wait for a run's end, and return it as it is told."""

    def told() -> dict[str, Any] | None:
        found: dict[str, Any] = daemon.client.get(f"/v1/runs/{run}").json()
        return found if found["finished_at"] else None

    found = until(told, what=f"{run} did not end")
    assert found is not None
    return found


def trigger(daemon: Serving, **body: Any) -> dict[str, Any]:
    answer = daemon.client.post("/v1/jobs/copy/trigger", json=body)
    assert answer.status_code == 201, answer.text
    return ended(daemon, answer.json()["id"])


def watermark(daemon: Serving) -> str | None:
    value: str | None = daemon.client.get("/v1/jobs/copy/watermark").json()["value"]
    return value


def test_a_rehearsal_counts_what_would_be_written_and_writes_nothing(daemon: Serving, world: World) -> None:
    run = trigger(daemon, dry_run=True)
    assert (run["status"], run["embedded"], run["dry_run"], run["watermark"]) == ("completed", 250, True, None)
    assert watermark(daemon) is None
    assert trigger(daemon)["embedded"] == 250
    world.execute("UPDATE t SET body = 'changed', f = 251 WHERE id = 1", "UPDATE t SET gone = 1, f = 252 WHERE id = 2")
    rehearsed = trigger(daemon, dry_run=True)
    real = trigger(daemon)
    counts = ("records_read", "embedded", "metadata_updated", "unchanged", "deleted", "chunks")
    assert [rehearsed[name] for name in counts] == [real[name] for name in counts]
    assert (real["embedded"], real["deleted"]) == (1, 1)


def test_a_run_with_variables_reads_a_part_and_leaves_the_rest_and_the_watermark(daemon: Serving, world: World) -> None:
    narrow = trigger(daemon, variables={"tag": "tag3"})
    assert (narrow["records_read"], narrow["embedded"], narrow["deleted"]) == (50, 50, 0)
    assert watermark(daemon) is None
    whole = trigger(daemon)
    assert (whole["records_read"], whole["embedded"], whole["unchanged"]) == (250, 200, 50)
    assert watermark(daemon) is not None
    world.execute("UPDATE t SET body = body || ' again', f = 300 + id WHERE id <= 10")
    before = watermark(daemon)
    assert trigger(daemon, variables={"tag": "tag1"})["embedded"] == 2
    assert watermark(daemon) == before
    assert trigger(daemon)["embedded"] == 8


def test_a_run_waits_for_its_moment(daemon: Serving) -> None:
    moment = now() + timedelta(seconds=2)
    run = trigger(daemon, scheduled_at=moment.isoformat())
    assert run["status"] == "completed"
    assert run["started_at"] >= moment.isoformat()[:19]


def test_a_job_of_the_api_follows_its_own_ticks_and_can_take_its_documents_with_it(daemon: Serving) -> None:
    daemon.world.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)")
    daemon.world.execute("INSERT INTO notes VALUES (1, 1, 'one'), (2, 2, 'two')")
    new = {
        "name": "notes", "source_table": "db.notes", "kb_name": "kb_one", "content_columns": ["body"],
        "filter_column": "f", "interval": "1 MINUTE",
    }  # fmt: skip
    assert daemon.client.post("/v1/jobs", json=new | {"content_columns": ["text"]}).status_code == 422
    assert daemon.client.post("/v1/jobs", json=new).status_code == 201
    last = until(lambda: daemon.client.get("/v1/jobs/notes").json()["last_run"], what="no tick came")
    assert (last["trigger"], last["embedded"]) == ("schedule", 2)
    assert trigger(daemon)["embedded"] == 250
    assert daemon.client.delete("/v1/jobs/notes?purge_documents=true").status_code == 204
    found = daemon.client.post("/v1/knowledge-bases/kb_one/search", json={"query": "one two", "k": 100}).json()["data"]
    assert not [match for match in found if match["id"].startswith("db.notes:")]
    assert len(found) == 100


def test_the_log_of_a_run_can_be_read_afterwards(daemon: Serving, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run = trigger(daemon)

    def told() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = daemon.client.get(f"/v1/runs/{run['id']}/log").json()["data"]
        return found

    lines = until(told, what="nothing was logged")
    assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))
    messages = [line["message"] for line in lines]
    assert messages[0].startswith("run started")
    assert any("250 read, 250 embedded" in message for message in messages)


def test_a_failed_attempt_says_when_the_next_one_begins(daemon: Serving, world: World) -> None:
    reached = threading.Event()

    def fail() -> None:
        if not reached.is_set():
            reached.set()
            raise TransientError("the source is away")

    daemon.plugins.before["source.begin"] = fail
    answer = daemon.client.post("/v1/jobs/copy/trigger").json()
    told = until(
        lambda: (found := daemon.client.get(f"/v1/runs/{answer['id']}").json())["next_retry_at"] and found,
        what="no retry was told",
    )
    assert (told["status"], told["attempt"]) == ("running", 1)
    run = ended(daemon, answer["id"])
    assert (run["status"], run["attempt"], run["next_retry_at"]) == ("completed", 2, None)
