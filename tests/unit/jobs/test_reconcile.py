"""The jobs of the configuration and those of the state are made equal, and asking for runs keeps them few."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.errors import Conflict
from syncd.jobs import JobService
from syncd.model.job import JobDefinition, Origin
from syncd.model.record import Identity
from syncd.model.run import Checkpoint, Counts, Run, RunOptions, RunStatus, Trigger
from syncd.model.watermark import Watermark
from syncd.state import State
from syncd.triggers import Triggers, Wish

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(minutes=1)
DEFINITION = JobDefinition.model_validate(
    {
        "source_table": "db.t",
        "kb_name": "kb",
        "content_columns": ["body"],
        "filter_column": "f",
        "interval": "10 MINUTES",
    }
)


def ask(state: State, options: RunOptions = RunOptions()) -> Run:
    return Triggers(state, lambda: NOW).ask(state.jobs.get("orders"), Wish(options))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


@pytest.fixture
def jobs(state: State) -> JobService:
    service = JobService(state, lambda: NOW)
    service.reconcile({"orders": DEFINITION})
    return service


def test_a_job_that_leaves_the_file_is_ended_and_so_are_its_runs(state: State, jobs: JobService) -> None:
    going = ask(state)
    assert state.leases.claim("me", NOW, TTL, going.number) is not None
    waiting = ask(state)
    assert jobs.reconcile({}) == []
    assert state.jobs.get("orders").ended == NOW
    assert state.runs.get(going.number).status is RunStatus.CANCELING
    assert state.runs.get(waiting.number).status is RunStatus.CANCELED
    with pytest.raises(Conflict, match="has ended"):
        ask(state)


def test_a_job_that_comes_back_goes_on_from_its_watermark(state: State, jobs: JobService) -> None:
    run = ask(state)
    claimed = state.leases.claim("me", NOW, TTL, run.number)
    assert claimed is not None
    known = Checkpoint(Watermark(41), DEFINITION.meaning(), Identity("kb", 1))
    state.checkpoints.commit(
        claimed[1], run.number, known, counts=Counts(), stages={}, rejects=(), resolved=(), now=NOW
    )
    before = state.jobs.get("orders")
    jobs.reconcile({})
    [revived] = jobs.reconcile({"orders": DEFINITION})
    assert (revived.id, revived.ended, revived.version) == (before.id, None, before.version)
    assert state.checkpoints.get(revived.id) == known


def test_a_name_that_is_taken_leaves_one_job_out_and_takes_the_others(
    state: State, jobs: JobService, caplog: pytest.LogCaptureFixture
) -> None:
    state.jobs.put("mine", DEFINITION, Origin.API, NOW)
    living = jobs.reconcile({"mine": DEFINITION, "orders": DEFINITION, "other": DEFINITION})
    assert {job.name: job.origin for job in living} == {
        "mine": Origin.API,
        "orders": Origin.FILE,
        "other": Origin.FILE,
    }
    assert "job mine of the configuration is left out" in caplog.text


def test_fifty_requests_at_once_are_one_run_going_on_and_one_waiting(state: State, jobs: JobService) -> None:
    going = ask(state)
    assert state.leases.claim("me", NOW, TTL, going.number) is not None
    barrier = threading.Barrier(50)

    def asked(number: int) -> int:
        barrier.wait()
        return ask(state, RunOptions(full=number == 7, limit=number + 1)).number

    with ThreadPoolExecutor(50) as pool:
        [answer] = set(pool.map(asked, range(50)))
    assert [run.number for run in state.runs.list()] == [answer, going.number]
    assert state.runs.get(answer).options == RunOptions(full=True, limit=50)


def test_a_request_during_a_scheduled_run_waits_for_it(state: State, jobs: JobService) -> None:
    scheduled = Triggers(state, lambda: NOW).tick(state.jobs.get("orders").id)
    assert scheduled is not None
    assert state.leases.claim("me", NOW, TTL) is not None
    waiting = ask(state)
    assert (waiting.status, waiting.trigger) == (RunStatus.QUEUED, Trigger.MANUAL)
    assert state.leases.claim("me", NOW, TTL) is None
