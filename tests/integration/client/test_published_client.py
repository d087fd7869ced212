"""A client that other people publish for job services of this shape works with the API as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import strait
from strait.composition import WaitForRunOptions, wait_for_run

from syncd.model.access import Scope
from tests.daemon import Serving, serving
from tests.world import World, now


@pytest.fixture
def daemon(tmp_path: Path, sqlite_url: str) -> Iterator[Serving]:
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("interval: 1 DAY", "interval: 1 DAY\n    start_time: 2100-01-01T00:00:00"))
    world.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)")
    world.execute("INSERT INTO notes VALUES (1, 1, 'one'), (2, 2, 'two')")
    with serving(world) as running:
        yield running


def test_it_makes_triggers_polls_cancels_and_deletes(daemon: Serving) -> None:
    _, secret = daemon.state.tokens.create("strait", [Scope.ADMIN], now())
    with strait.Client(base_url=str(daemon.client.base_url).rstrip("/"), bearer_token=secret) as client:
        job = client.jobs.create(
            {
                "name": "notes",
                "source_table": "db.notes",
                "kb_name": "kb_one",
                "content_columns": ["body"],
                "filter_column": "f",
                "interval": "1 DAY",
                "start_time": "2100-01-01T00:00:00",
            }
        )
        assert client.jobs.get(job["id"])["slug"] == "notes"
        assert [entry["name"] for entry in client.jobs.list(query={"name": "notes"})["data"]] == ["notes"]
        run = client.jobs.trigger(job["id"], {"idempotency_key": "once"})
        assert client.jobs.trigger(job["id"], {"idempotency_key": "once"})["id"] == run["id"]
        ended = wait_for_run(
            client.runs.get, lambda one: one["status"], run["id"], WaitForRunOptions(initial_delay_ms=50)
        )
        assert (ended["status"], ended["job_id"]) == ("completed", job["id"])
        assert client.runs.list_outputs(run["id"])["data"][0]["embedded"] == 2
        assert client.jobs.get_health(job["id"])["completed_runs"] == 1
        later = client.jobs.trigger(job["id"], {"scheduled_at": "2100-01-01T00:00:00Z"})
        assert later["status"] == "delayed"
        assert client.runs.delete(later["id"])["status"] == "canceled"
        client.jobs.update(job["id"], {"description": "all notes"})
        assert [entry["version"] for entry in client.jobs.list_versions(job["id"])["data"]] == [2, 1]
        client.jobs.delete(job["id"])
        with pytest.raises(strait.NotFoundError):
            client.jobs.get(job["id"])
    with strait.Client(base_url=str(daemon.client.base_url).rstrip("/"), bearer_token="wrong") as stranger:
        with pytest.raises(strait.UnauthorizedError):
            stranger.jobs.list()
