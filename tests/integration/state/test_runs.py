"""A job has one queued run and one that goes on at most; what has ended stays as history."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.errors import Conflict, NotFound
from syncd.model.job import Job, Origin
from syncd.model.run import Counts, Request, RunOptions, RunStatus, Trigger
from syncd.state import State
from tests.integration.state.values import NOW, SECOND, TTL, ask, definition, start, tick, together


def _finish(state: State, job: Job, status: RunStatus = RunStatus.COMPLETED, seconds: int = 0) -> int:
    at = NOW + timedelta(seconds=seconds)
    run, lease = start(state, job, at=at)
    state.runs.finish(lease, run.number, status, counts=Counts(), stages={}, watermark=None, error=None, now=at)
    return run.number


def test_a_queued_run_says_who_asked_when_and_for_what(state: State, job: Job) -> None:
    run = state.queue.enqueue(job, Request(Trigger.MANUAL, NOW), NOW + SECOND, RunOptions(full=True, limit=10))
    assert state.runs.get(run.number) == run
    assert (run.job_id, run.job_name, run.job_version) == (job.id, "orders", 1)
    assert (run.status, run.trigger, run.options) == (RunStatus.QUEUED, Trigger.MANUAL, RunOptions(True, 10))
    assert (run.scheduled_at, run.created_at, run.started_at, run.finished_at) == (NOW, NOW + SECOND, None, None)
    assert state.runs.live(job.id) == run


def test_fifty_who_ask_at_once_get_one_queued_run(state: State, job: Job) -> None:
    answers = together(50, lambda _: ask(state, job))
    assert {run.number for run in answers} == {run.number for run in state.runs.list()}
    assert [run.status for run in state.runs.list()] == [RunStatus.QUEUED]


def test_fifty_ticks_of_one_moment_are_one_run(state: State, job: Job) -> None:
    answers = together(50, lambda _: tick(state, job, NOW))
    assert len(state.runs.list()) == len({run.number for run in answers}) == 1


def test_a_tick_that_finds_a_run_going_on_is_recorded_as_skipped(state: State, job: Job) -> None:
    going, _ = start(state, job)
    skipped = tick(state, job, NOW + SECOND)
    assert (skipped.status, skipped.error) == (RunStatus.SKIPPED, f"{going.id} was still running")
    assert skipped.finished_at == NOW + SECOND
    assert state.runs.live(job.id) == state.runs.get(going.number)


def test_a_tick_that_finds_a_run_queued_is_recorded_as_skipped(state: State, job: Job) -> None:
    queued = tick(state, job, NOW)
    assert tick(state, job, NOW) == queued
    skipped = tick(state, job, NOW + SECOND)
    assert (skipped.status, skipped.error) == (RunStatus.SKIPPED, f"{queued.id} was still queued")
    assert state.runs.last_scheduled(job.id, NOW + 9 * SECOND) == NOW + SECOND


@pytest.mark.parametrize("trigger", [trigger for trigger in Trigger if trigger is not Trigger.SCHEDULE])
def test_a_request_during_a_run_waits_as_one_queued_run(state: State, job: Job, trigger: Trigger) -> None:
    going, _ = start(state, job)
    waiting = state.queue.enqueue(job, Request(trigger, NOW), NOW)
    assert waiting.status is RunStatus.QUEUED
    assert ask(state, job) == waiting
    assert state.queue.enqueue(job, Request(trigger, NOW), NOW) == waiting
    assert state.runs.live(job.id) == state.runs.get(going.number)
    assert len(state.runs.list(status=RunStatus.QUEUED)) == 1


@pytest.mark.parametrize(
    ("first", "second", "widest"),
    [
        (RunOptions(limit=5), RunOptions(limit=9), RunOptions(limit=9)),
        (RunOptions(limit=9), RunOptions(limit=5), RunOptions(limit=9)),
        (RunOptions(limit=5), RunOptions(full=True, limit=2), RunOptions(full=True, limit=5)),
        (RunOptions(limit=5), RunOptions(), RunOptions()),
        (RunOptions(full=True), RunOptions(limit=5), RunOptions(full=True)),
    ],
)
def test_a_queued_run_takes_on_the_wider_options(
    state: State, job: Job, first: RunOptions, second: RunOptions, widest: RunOptions
) -> None:
    run = state.queue.enqueue(job, Request(Trigger.MANUAL, NOW), NOW, first)
    again = state.queue.enqueue(job, Request(Trigger.MANUAL, NOW), NOW, second)
    assert (again.number, again.options) == (run.number, widest)


def test_a_request_brings_a_run_that_is_queued_for_later_forward(state: State, job: Job) -> None:
    later = state.queue.enqueue(job, Request(Trigger.SCHEDULE, NOW + TTL), NOW)
    assert state.leases.claim("me", NOW, TTL) is None
    assert ask(state, job).number == later.number
    assert state.leases.claim("me", NOW, TTL) is not None


def test_a_job_that_the_state_does_not_hold_cannot_be_queued(state: State, job: Job) -> None:
    stranger = type(job)(99, "x", definition(), Origin.FILE, 1, NOW, NOW)
    with pytest.raises(NotFound, match="no job number 99"):
        ask(state, stranger)
    assert state.runs.list() == []


def test_a_queued_run_is_canceled_at_once_and_one_that_goes_on_is_asked(state: State, job: Job) -> None:
    queued = ask(state, job)
    canceled = state.runs.request_cancel(queued.number, NOW + SECOND)
    assert (canceled.status, canceled.finished_at) == (RunStatus.CANCELED, NOW + SECOND)
    assert state.leases.claim("me", NOW + SECOND, TTL) is None

    run, lease = start(state, job)
    assert state.leases.renew(lease, NOW, TTL) is RunStatus.RUNNING
    assert state.runs.request_cancel(run.number, NOW).status is RunStatus.CANCELING
    assert state.runs.request_cancel(run.number, NOW).status is RunStatus.CANCELING
    assert state.leases.renew(lease, NOW, TTL) is RunStatus.CANCELING


def test_what_has_ended_or_never_was_cannot_be_canceled(state: State, job: Job) -> None:
    number = _finish(state, job)
    with pytest.raises(Conflict, match=f"run_{number} is already completed"):
        state.runs.request_cancel(number, NOW)
    with pytest.raises(NotFound, match="no run_999"):
        state.runs.request_cancel(999, NOW)


def test_progress_and_the_end_are_kept_to_the_digit(state: State, job: Job) -> None:
    run, lease = start(state, job)
    counts = Counts(records_read=3, embedded=2, truncated_tokens=2**40)
    state.runs.progress(
        lease, run.number, counts=counts, stages={"read": 0.1}, progress=1 / 3, attempt=2, now=NOW + SECOND
    )
    seen = state.runs.get(run.number)
    assert (seen.counts, seen.stages, seen.progress, seen.attempt) == (counts, {"read": 0.1}, 1 / 3, 2)
    done = state.runs.finish(
        lease,
        run.number,
        RunStatus.COMPLETED_WITH_WARNINGS,
        counts=counts + counts,
        stages={"read": 0.2, "embed": 1e-9},
        watermark="2026-01-01",
        error="1 row: NUL \x00 and \ud800",
        now=NOW + SECOND,
    )
    assert done == state.runs.get(run.number)
    assert (done.status, done.counts, done.watermark) == ("completed_with_warnings", counts + counts, "2026-01-01")
    assert (done.stages, done.seconds) == ({"read": 0.2, "embed": 1e-9}, 1.0)
    assert done.error == "1 row: NUL \\x00 and \\ud800"


def test_a_run_cannot_end_as_running(state: State, job: Job) -> None:
    run, lease = start(state, job)
    with pytest.raises(ValueError, match="cannot end as running"):
        state.runs.finish(
            lease, run.number, RunStatus.RUNNING, counts=Counts(), stages={}, watermark=None, error=None, now=NOW
        )


def test_the_last_runs_are_found_by_how_they_ended(state: State, job: Job) -> None:
    assert state.runs.last_finished(job.id) is None
    assert state.runs.last_successful(job.id) is None
    assert state.runs.last_scheduled(job.id, NOW + 9 * SECOND) is None
    success = _finish(state, job, RunStatus.COMPLETED_WITH_WARNINGS, 1)
    failure = _finish(state, job, RunStatus.FAILED, 2)
    going, _ = start(state, job, at=NOW + 3 * SECOND)
    tick(state, job, NOW + 4 * SECOND)
    assert [run.number for run in (state.runs.last_finished(job.id), state.runs.last_successful(job.id)) if run] == [
        failure,
        success,
    ]
    assert state.runs.last_scheduled(job.id, NOW + 9 * SECOND) == NOW + 4 * SECOND
    live = state.runs.live(job.id)
    assert live is not None
    assert live.number == going.number


def test_runs_are_listed_newest_first_filtered_and_in_pages(state: State, job: Job) -> None:
    other = state.jobs.put("other", definition(), Origin.FILE, NOW)
    numbers = [_finish(state, job, seconds=second) for second in range(5)]
    failed = _finish(state, other, RunStatus.FAILED)
    ticked = tick(state, job, NOW).number
    assert [run.number for run in state.runs.list()] == [ticked, failed, *reversed(numbers)]
    assert [run.number for run in state.runs.list(other.id)] == [failed]
    assert [run.number for run in state.runs.list(status=RunStatus.FAILED)] == [failed]
    assert [run.number for run in state.runs.list(trigger=Trigger.SCHEDULE)] == [ticked]
    assert [run.number for run in state.runs.list(job.id, limit=2, before=ticked)] == [numbers[4], numbers[3]]
    assert [run.number for run in state.runs.list(job.id, limit=2, before=numbers[3])] == [numbers[2], numbers[1]]


def test_pruning_keeps_the_newest_the_living_the_last_tick_and_the_last_success(state: State, job: Job) -> None:
    ticked = tick(state, job, NOW).number
    state.runs.request_cancel(ticked, NOW)
    success = _finish(state, job, seconds=1)
    failures = [_finish(state, job, RunStatus.FAILED, seconds) for seconds in range(2, 7)]
    queued = ask(state, job).number
    assert state.runs.prune(job.id, keep=2) == 3
    assert [run.number for run in state.runs.list()] == [queued, failures[4], failures[3], success, ticked]
    assert state.runs.prune(job.id, keep=2) == 0
    with pytest.raises(NotFound):
        state.runs.get(failures[0])
    assert _finish(state, job, seconds=9) == queued
