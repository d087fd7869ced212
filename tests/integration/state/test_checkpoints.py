"""A checkpoint is saved with all that belongs to it, or not at all, and comes back without loss."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.errors import NotFound
from syncd.model.job import Job
from syncd.model.record import Identity, Reject
from syncd.model.run import Checkpoint, Counts, DeadLetter, Lease
from syncd.model.watermark import FilterValue, Observation, Watermark
from syncd.state import State
from tests.integration.state.values import NOW, SECOND, checkpoint, start


def _commit(
    state: State,
    lease: Lease,
    number: int,
    saved: Checkpoint,
    rejects: tuple[Reject, ...] = (),
    resolved: tuple[str, ...] = (),
    at: datetime = NOW,
) -> None:
    counts = Counts(records_read=len(rejects) + 1)
    state.checkpoints.commit(
        lease, number, saved, counts=counts, stages={"read": 0.5}, rejects=rejects, resolved=resolved, now=at
    )


def test_a_checkpoint_comes_back_whole_with_the_counts_of_its_run(state: State, job: Job) -> None:
    assert state.checkpoints.get(job.id) is None
    run, lease = start(state, job)
    read_at = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    saved = Checkpoint(Watermark(7), "meaning", Identity("uuid", 2**40), "glance é", read_at)
    _commit(state, lease, run.number, saved)
    assert state.checkpoints.get(job.id) == saved
    seen = state.runs.get(run.number)
    assert (seen.counts, seen.stages, seen.watermark) == (Counts(records_read=1), {"read": 0.5}, "7")
    _commit(state, lease, run.number, checkpoint(8))
    assert state.checkpoints.get(job.id) == checkpoint(8)


VALUES: st.SearchStrategy[FilterValue] = st.one_of(
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
)


@given(
    value=st.none() | VALUES,
    pending=st.lists(st.builds(Observation, VALUES, st.datetimes(timezones=st.just(UTC))), max_size=3),
    read_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_watermark_comes_back_as_it_was(
    state: State, job: Job, value: FilterValue | None, pending: list[Observation], read_at: datetime | None
) -> None:
    running = state.runs.live(job.id)
    run, lease = (running, Lease(job.id, "me", 1)) if running else start(state, job)
    saved = Checkpoint(Watermark(value, tuple(pending)), "m", Identity("u", 1), None, read_at)
    _commit(state, lease, run.number, saved)
    found = state.checkpoints.get(job.id)
    assert found == saved
    assert found is not None
    assert type(found.watermark.value) is type(value)
    if isinstance(value, Decimal):
        assert str(found.watermark.value) == str(value), "1.0 and 1.00 are equal, and not the same"


def test_rejected_rows_become_dead_letters_and_leave_when_they_succeed(state: State, job: Job) -> None:
    run, lease = start(state, job)
    _commit(state, lease, run.number, checkpoint(), (Reject("1", "a"), Reject("2", "b"), Reject("1", "c")))
    assert state.dead_letters.count(job.id) == 2
    assert state.dead_letters.keys(job.id) == {"1", "2"}
    later = NOW + SECOND
    _commit(state, lease, run.number, checkpoint(), (Reject("1", "d"),), ("2", "1", "unknown"), later)
    assert state.dead_letters.list(job.id) == [DeadLetter(job.id, "1", "d", 2, NOW, later)]
    _commit(state, lease, run.number, checkpoint(), (), ("1",))
    assert state.dead_letters.count(job.id) == 0


def test_dead_letters_hold_what_rows_are_made_of_and_come_in_pages(state: State, job: Job) -> None:
    run, lease = start(state, job)
    keys = ["a", "B", "é", "z" * 100_000, "\ud800", "nul\x00"]
    _commit(state, lease, run.number, checkpoint(), tuple(Reject(key, "\x00 \udfff " + "r" * 20_000) for key in keys))
    stored = ["B", "\\ud800", "a", "nul\\x00", "z" * 100_000, "é"]
    assert [letter.key for letter in state.dead_letters.list(job.id)] == stored
    pages, after = [], None
    while page := state.dead_letters.list(job.id, limit=2, after_key=after):
        after = page[-1].key
        pages.append([letter.key for letter in page])
    assert pages == [stored[:2], stored[2:4], stored[4:]]
    reason = state.dead_letters.list(job.id)[0].reason
    assert reason.startswith("\\x00 \\udfff rrr")
    assert len(reason) == 10_000
    _commit(state, lease, run.number, checkpoint(), (), tuple(keys))
    assert state.dead_letters.count(job.id) == 0


def test_five_thousand_dead_letters_are_resolved_at_once(state: State, job: Job) -> None:
    run, lease = start(state, job)
    keys = tuple(str(number) for number in range(5_000))
    _commit(state, lease, run.number, checkpoint(), tuple(Reject(key, "r") for key in keys))
    assert state.dead_letters.count(job.id) == 5_000
    _commit(state, lease, run.number, checkpoint(), (), keys)
    assert state.dead_letters.count(job.id) == 0


def test_a_commit_that_fails_at_its_last_row_leaves_nothing_behind(state: State, job: Job) -> None:
    run, lease = start(state, job)
    _commit(state, lease, run.number, checkpoint(1), (Reject("old", "r"),))
    before = (state.checkpoints.get(job.id), state.runs.get(run.number), state.dead_letters.list(job.id))
    poison = Reject("bad", cast(str, None))
    with pytest.raises(sa.exc.IntegrityError):
        _commit(state, lease, run.number, checkpoint(2), (Reject("good", "r"), poison), ("old",), NOW + SECOND)
    assert (state.checkpoints.get(job.id), state.runs.get(run.number), state.dead_letters.list(job.id)) == before
    _commit(state, lease, run.number, checkpoint(3))
    assert state.checkpoints.get(job.id) == checkpoint(3)


def test_a_reset_empties_the_checkpoint_and_is_recorded(state: State, job: Job) -> None:
    run, lease = start(state, job)
    _commit(state, lease, run.number, checkpoint(1))
    state.checkpoints.reset(job.id, "m2", Identity("new", 3), "the knowledge base was replaced", NOW + SECOND)
    assert state.checkpoints.get(job.id) == Checkpoint(Watermark(), "m2", Identity("new", 3))
    event = state.events.list(job.id, limit=1)[0]
    assert (event.kind, event.detail, event.at) == (
        "checkpoint_reset",
        "the knowledge base was replaced",
        NOW + SECOND,
    )
    with pytest.raises(NotFound):
        state.checkpoints.reset(99, "m", Identity("new", 3), "no such job", NOW)


def test_events_are_listed_newest_first_of_one_job_or_of_all(state: State, job: Job) -> None:
    state.events.record(None, "started", "version 1", NOW)
    state.events.record(job.id, "noted", "line\x00", NOW)
    assert [(event.job_id, event.kind, event.detail) for event in state.events.list(limit=2)] == [
        (job.id, "noted", "line\\x00"),
        (None, "started", "version 1"),
    ]
    assert [event.kind for event in state.events.list(job.id)] == ["noted", "job_created"]


COMMITTER = """
import sys
from datetime import UTC, datetime
from syncd.model.run import Counts, Lease
from syncd.state import State
from tests.integration.state.values import NOW, checkpoint
state = State.open(sys.argv[1])
lease, number = Lease(int(sys.argv[2]), "me", int(sys.argv[3])), int(sys.argv[4])
for value in range(1, 1_000_000):
    state.checkpoints.commit(
        lease, number, checkpoint(value), counts=Counts(embedded=value), stages={}, rejects=[], resolved=[], now=NOW
    )
    print(value, flush=True)
"""


def test_a_commit_that_returned_survives_the_death_of_its_process(state: State, job: Job, state_url: str) -> None:
    run, lease = start(state, job)
    arguments = [state_url, str(job.id), str(lease.token), str(run.number)]
    state.close()
    with subprocess.Popen([sys.executable, "-c", COMMITTER, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(20):
            told = int(process.stdout.readline())
        process.kill()
        told = max([told, *(int(line) for line in process.stdout if line.endswith(b"\n"))])
    reopened = State.open(state_url)
    found = reopened.checkpoints.get(job.id)
    embedded = reopened.runs.get(run.number).counts.embedded
    reopened.close()
    assert found is not None
    assert isinstance(found.watermark.value, int)
    assert found.watermark.value in {told, told + 1}
    assert embedded == found.watermark.value
