"""The queue: keys, likeness, expiry and bounds, on every database that holds the state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.errors import KeyReused
from syncd.model.job import JobDefinition, Origin
from syncd.model.run import Counts, Gate, Request, RunOptions, RunStatus, Trigger
from syncd.state import Bounds, State
from tests.integration.state.values import NOW, SECOND, TTL, definition, together

PLAIN = Request(Trigger.API, NOW, digest="d")
TAGGED = RunOptions(tags={"why": "audit"})


def test_a_key_is_one_run_however_many_ask_at_once(state: State) -> None:
    job = state.jobs.put("a", definition(), Origin.API, NOW)
    asked = [(replace(PLAIN, key="k"), TAGGED)]
    answers = [
        answer for answers in together(20, lambda _: state.queue.enqueue_all(job, asked, NOW)) for answer in answers
    ]
    assert len({run.number for run, _ in answers}) == 1
    assert sorted(known for _, known in answers) == [False] + [True] * 19


def test_a_key_ends_after_a_day_and_belongs_to_its_job(state: State) -> None:
    job, other = (state.jobs.put(name, definition(), Origin.API, NOW) for name in "ab")
    asked = [(replace(PLAIN, key="k"), TAGGED)]
    [(first, _)] = state.queue.enqueue_all(job, asked, NOW)
    with pytest.raises(KeyReused):
        state.queue.enqueue_all(job, [(replace(PLAIN, key="k", digest="e"), TAGGED)], NOW)
    [(elsewhere, known)] = state.queue.enqueue_all(other, asked, NOW)
    assert (elsewhere.job_name, known) == ("b", False)
    [(later, known)] = state.queue.enqueue_all(job, asked, NOW + timedelta(days=1))
    assert (later.number != first.number, known) == (True, False)


def test_a_run_is_remembered_as_long_as_its_key(state: State) -> None:
    job = state.jobs.put("a", definition(), Origin.API, NOW)
    asked = [(replace(PLAIN, key="k"), TAGGED)]
    [(first, _)] = state.queue.enqueue_all(job, asked, NOW)
    state.runs.request_cancel(first.number, NOW)
    for _ in range(3):
        state.runs.request_cancel(state.queue.enqueue(job, PLAIN, NOW).number, NOW)
    assert state.runs.prune(job.id, keep=1) == 2
    assert state.queue.enqueue_all(job, asked, NOW)[0][0].number == first.number


def test_several_are_asked_for_together_or_not_at_all(state: State) -> None:
    job = state.jobs.put("a", definition(), Origin.API, NOW)
    state.queue.enqueue_all(job, [(replace(PLAIN, key="k"), TAGGED)], NOW)
    before = state.runs.newest_number()
    with pytest.raises(KeyReused):
        state.queue.enqueue_all(job, [(PLAIN, TAGGED), (replace(PLAIN, key="k", digest="e"), TAGGED)], NOW)
    assert [run.number for run in state.runs.list()] == [before]


def test_a_plain_request_becomes_part_of_the_plain_run_that_waits(state: State) -> None:
    job = state.jobs.put("a", definition(default_run_metadata={"team": "x"}), Origin.API, NOW)
    later = Request(Trigger.API, NOW + SECOND, Gate(RunStatus.DELAYED, "later"), expires_at=NOW + TTL)
    first = state.queue.enqueue(job, later, NOW, RunOptions(limit=5))
    assert (first.status, first.options.metadata) == (RunStatus.DELAYED, {"team": "x"})
    second = state.queue.enqueue(job, replace(PLAIN, expires_at=NOW + 2 * TTL), NOW, RunOptions(full=True, limit=9))
    assert (second.number, second.status, second.reason) == (first.number, RunStatus.QUEUED, None)
    assert (second.options.full, second.options.limit, second.scheduled_at) == (True, 9, NOW)
    assert second.expires_at == NOW + 2 * TTL
    apart = state.queue.enqueue(job, PLAIN, NOW, TAGGED)
    assert apart.number != first.number
    assert state.runs.list(tag=("why", "audit")) == [apart]
    assert state.runs.list(tag=("why", "' OR 1=1 --")) == state.runs.list(tag=("who", "audit")) == []


def test_a_run_that_waits_is_held_let_go_and_expires(state: State) -> None:
    job = state.jobs.put("a", definition(), Origin.API, NOW)
    run = state.queue.enqueue(job, PLAIN, NOW)
    state.queue.set_gate(run, Gate(RunStatus.WAITING, "for b"), NOW)
    assert state.leases.claim("me", NOW, TTL) is None
    [held] = state.queue.pending()
    assert (held.status, held.reason) == (RunStatus.WAITING, "for b")
    state.queue.expire(held, NOW + SECOND)
    assert state.runs.get(run.number).status is RunStatus.EXPIRED
    state.queue.expire(held, NOW + SECOND)
    assert state.queue.pending() == []


@pytest.mark.parametrize("bounds", [Bounds(per_database=1), Bounds(per_knowledge_base=1)])
def test_runs_of_one_end_take_turns(state: State, bounds: Bounds) -> None:
    fields = {"content_columns": ["x"], "filter_column": "f", "interval": "1 DAY"}
    ends = {"a": ("db.a", "kb"), "b": ("db.b", "kb"), "c": ("other.c", "other_kb")}
    for name, (table, knowledge_base) in ends.items():
        new = JobDefinition.model_validate(fields | {"source_table": table, "kb_name": knowledge_base})
        state.queue.enqueue(state.jobs.put(name, new, Origin.API, NOW), Request(Trigger.API, NOW), NOW)
    claims = [state.leases.claim("me", NOW, TTL, bounds=bounds) for _ in range(3)]
    assert [claim and claim[0].job_name for claim in claims] == ["a", "c", None]
    assert claims[0] is not None
    run, lease = claims[0]
    state.runs.finish(
        lease, run.number, RunStatus.COMPLETED, counts=Counts(), stages={}, watermark=None, error=None, now=NOW
    )
    last = state.leases.claim("me", NOW, TTL, bounds=bounds)
    assert last is not None
    assert last[0].job_name == "b"
