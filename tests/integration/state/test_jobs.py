"""Jobs are kept as they were put, once for each name, with every version."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from syncd.errors import Conflict, NotFound
from syncd.model.job import Job, Origin
from syncd.state import State
from tests.integration.state.values import NOW, SECOND, definition, together


def test_a_definition_comes_back_as_it_was_put(state: State) -> None:
    full = definition(
        template="{product} – {notes}",
        content_columns=["product", "notes"],
        metadata_columns=["price"],
        key_columns=["region", "id"],
        filters=[{"column": "region", "op": "in", "value": ["EU", "US", 7, 1.5]}],
        start_time="2026-01-01T00:00:00.000001+02:00",
        end_time="2026-02-01T00:00:00",
        lookback="5 MINUTES",
        deletes={"mode": "soft", "column": "deleted_at"},
        initial=42,
        timezone="Europe/Berlin",
        enabled=False,
    )
    put = state.jobs.put("a", full, Origin.API, NOW)
    assert put.definition == full
    assert (put.version, put.origin, put.created_at, put.updated_at) == (1, Origin.API, NOW, NOW)
    assert (put.paused, put.blocked, put.ended) == (False, None, None)
    assert state.jobs.get("a") == put == state.jobs.by_id(put.id)


def test_an_equal_definition_changes_nothing(state: State, job: Job) -> None:
    assert state.jobs.put("orders", definition(), Origin.FILE, NOW + SECOND) == job


def test_a_changed_definition_is_a_new_version_clears_the_block_and_keeps_the_old_one(
    state: State, job: Job, state_url: str
) -> None:
    state.jobs.block(job.id, "no such column", NOW)
    state.jobs.pause(job.id, NOW)
    changed = state.jobs.put("orders", definition(interval="1 HOURS"), Origin.FILE, NOW + SECOND)
    assert (changed.id, changed.version, changed.blocked, changed.paused) == (job.id, 2, None, True)
    assert (changed.created_at, changed.updated_at) == (NOW, NOW + SECOND)
    engine = sa.create_engine(state_url)
    with engine.connect() as connection:
        kept = connection.execute(
            sa.text("SELECT version, definition FROM job_versions WHERE job_id = :id ORDER BY version"), {"id": job.id}
        ).all()
    engine.dispose()
    assert kept == [(1, definition().model_dump_json()), (2, definition(interval="1 HOURS").model_dump_json())]


def test_a_name_belongs_to_one_living_origin(state: State, job: Job) -> None:
    with pytest.raises(Conflict, match=r"'orders' already exists, defined by a configuration file"):
        state.jobs.put("orders", definition(interval="DAILY"), Origin.API, NOW)
    assert state.jobs.get("orders") == job
    state.jobs.end(job.id, NOW)
    taken = state.jobs.put("orders", definition(), Origin.API, NOW)
    assert (taken.id, taken.origin, taken.ended, taken.version) == (job.id, Origin.API, None, 1)


def test_an_ended_job_is_kept_and_lives_again_when_it_is_put(state: State, job: Job) -> None:
    other = state.jobs.put("b", definition(), Origin.FILE, NOW)
    ended = state.jobs.end(job.id, NOW + SECOND)
    assert ended.ended == NOW + SECOND
    assert state.jobs.end(job.id, NOW + 2 * SECOND) == ended
    assert state.jobs.list() == [other]
    assert state.jobs.list(include_ended=True) == [other, ended]
    revived = state.jobs.put("orders", definition(), Origin.FILE, NOW + 2 * SECOND)
    assert (revived.id, revived.ended, revived.version) == (job.id, None, 1)
    assert state.jobs.list() == [other, revived]


def test_block_and_pause_are_set_and_cleared_and_told_as_events(state: State, job: Job) -> None:
    assert state.jobs.block(job.id, "the table is gone", NOW).blocked == "the table is gone"
    state.jobs.block(job.id, "the table is gone", NOW)
    assert state.jobs.unblock(job.id, NOW).blocked is None
    assert state.jobs.pause(job.id, NOW).paused
    assert not state.jobs.resume(job.id, NOW).paused
    assert [event.kind for event in reversed(state.events.list(job.id))] == [
        "job_created", "job_blocked", "job_unblocked", "job_paused", "job_resumed",
    ]  # fmt: skip


def test_an_unknown_name_is_answered_with_close_ones(state: State, job: Job) -> None:
    with pytest.raises(NotFound, match=r"no job 'ordres' \(did you mean orders\?\)"):
        state.jobs.get("ordres")
    with pytest.raises(NotFound, match="lists the jobs"):
        state.jobs.get("zzz")


def test_an_unknown_number_is_not_found(state: State) -> None:
    with pytest.raises(NotFound, match="no job number 7"):
        state.jobs.by_id(7)
    with pytest.raises(NotFound):
        state.jobs.pause(7, NOW)


def test_twenty_puts_at_once_make_one_job(state: State) -> None:
    made = together(20, lambda _: state.jobs.put("a", definition(), Origin.FILE, NOW))
    assert all(job == state.jobs.get("a") for job in made)
    assert [event.kind for event in state.events.list()] == ["job_created"]
