"""The client lists, follows and cancels the runs of a real daemon, and searches what they filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.client import Client, NotFound
from syncd.state import RunLine
from tests.daemon import Serving, serving
from tests.engine import Gate
from tests.world import World, now


def test_runs_are_listed_newest_first_and_narrowed(syncd: Client) -> None:
    ended = syncd.runs.wait(syncd.jobs.trigger("copy")["id"])
    assert next(syncd.runs.list())["id"] == ended["id"]
    asked = [run["id"] for run in syncd.runs.list(job="copy", status="completed", trigger="api")]
    assert ended["id"] in asked
    assert list(syncd.runs.list(until=ended["created_at"], trigger="recovery")) == []
    with pytest.raises(NotFound, match="run_999"):
        syncd.runs.get("run_999")


def test_what_a_run_did_is_told(syncd: Client) -> None:
    ended = syncd.runs.wait(syncd.jobs.trigger("copy", full_refresh=True)["id"], timeout=60)
    [output] = syncd.runs.outputs(ended["id"])
    assert (output["kb_name"], output["records_read"], output["unchanged"]) == ("kb_one", 30, 30)


def test_a_long_log_is_yielded_whole(syncd: Client, served: Serving) -> None:
    run = syncd.runs.wait(syncd.jobs.trigger("copy")["id"])
    lines = [RunLine(n, now(), "info", f"line {n}") for n in range(1001, 1151)]
    served.state.run_lines.append(int(run["id"].removeprefix("run_")), lines)
    told = [line["message"] for line in syncd.runs.log(run["id"])]
    assert told[-150:] == [line.message for line in lines]


def test_what_was_filled_is_found(syncd: Client) -> None:
    assert [base["name"] for base in syncd.knowledge_bases.list()] == ["kb_one"]
    [best, *_] = syncd.knowledge_bases.search("kb_one", "anything", k=3, where={"f": 7})
    assert (best["id"], best["metadata"]["f"]) == ("db.t:7#0", 7)
    with pytest.raises(NotFound):
        syncd.knowledge_bases.search("kb_two", "anything")


@pytest.fixture
def held(tmp_path: Path) -> World:
    """A world of three windows."""
    world = World.make(tmp_path, f"sqlite:///{tmp_path / 'source.db'}", window_rows=10)
    world.fill(1, 30)
    return world


def test_a_run_is_followed_to_its_end(held: World) -> None:
    with serving(held) as daemon, Client(str(daemon.client.base_url)) as syncd:
        run = syncd.jobs.trigger("copy")["id"]
        seen = list(syncd.runs.events(run))
    assert seen[-1]["status"] == "completed"
    assert seen[-1]["records_read"] == 30
    assert len({str(run) for run in seen}) == len(seen)


def test_a_run_that_goes_on_is_not_waited_for_longer_than_wanted_and_can_be_canceled(held: World) -> None:
    gate = Gate()
    with serving(held, committed=gate) as daemon, Client(str(daemon.client.base_url)) as syncd:
        assert gate.reached.wait(60)
        [run] = [run["id"] for run in syncd.runs.list(status="running")]
        with pytest.raises(TimeoutError, match="it goes on"):
            syncd.runs.wait(run, timeout=0.1)
        watched = syncd.runs.events(run)
        assert next(watched)["id"] == run
        assert syncd.runs.cancel(run)["status"] == "canceling"
        gate.open()
        # It may end by itself before it looks whether it was canceled.
        assert [*watched][-1]["finished_at"] is not None


def test_a_daemon_that_stops_tells_its_watchers_the_end(held: World) -> None:
    gate = Gate()
    with serving(held, committed=gate) as daemon, Client(str(daemon.client.base_url)) as syncd:
        assert gate.reached.wait(60)
        [run] = [run["id"] for run in syncd.runs.list(status="running")]
        watched = syncd.runs.events(run)
        next(watched)
        daemon.daemon.stop()
        gate.open()
        assert [*watched][-1]["finished_at"] is not None
