"""One run's life: what is tried again, what is not, and how each end is recorded."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.attempt import Stop
from syncd.errors import Cancelled, LeaseLost, PermanentError, TransientError
from syncd.model.run import RunStatus, Trigger
from syncd.state import owner_id
from tests.engine import TTL, Engine
from tests.waiting import until
from tests.world import World

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture
def engine(tmp_path: Path, sqlite_url: str) -> Iterator[Engine]:
    """A job over 250 rows in three windows, at a time that stands still."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 250)
    with Engine.of(world, NOW) as made:
        yield made


def failing(error: Exception, times: int = 1_000_000) -> Callable[[], None]:
    """Something that fails so many times and then no more."""
    left = times

    def fail() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error

    return fail


def test_a_failure_that_passes_is_tried_again_and_the_run_completes(engine: Engine) -> None:
    engine.plugins.before["store.upsert"] = failing(TransientError("the store is away"), 2)
    run = engine.run()
    assert (run.status, run.attempt, run.error) == (RunStatus.COMPLETED, 3, None)
    assert run.counts.embedded == 250
    assert len(engine.pauses) == 2


def test_a_failure_that_stays_ends_the_run_after_all_attempts_and_blocks_nothing(engine: Engine) -> None:
    engine.world.rewrite(("window_rows: 100", "window_rows: 100\n    max_attempts: 12"))
    with Engine.of(engine.world, NOW) as patient:
        patient.plugins.before["source.begin"] = failing(TransientError("the source is down", "start it"))
        run = patient.run()
        assert (run.status, run.attempt, run.error) == (RunStatus.FAILED, 12, "the source is down (start it)")
        assert patient.job.blocked is None
        assert len(patient.pauses) == 11
        assert all(2**n <= pause <= 1.1 * 2**n for n, pause in enumerate(patient.pauses[:8]))
        assert patient.pauses[-2:] == [300] * 2


def test_the_work_of_a_failed_attempt_is_kept(engine: Engine) -> None:
    engine.at_step["committed"] = failing(TransientError("it broke off"), 1)
    run = engine.run()
    assert run.status is RunStatus.COMPLETED
    assert run.counts.embedded == 250
    engine.parts.close()
    engine.world.assert_in_step()


def test_a_failure_that_needs_a_person_blocks_the_job_at_once_until_a_run_succeeds(engine: Engine) -> None:
    engine.world.execute("ALTER TABLE t RENAME TO hidden")
    run = engine.run()
    assert (run.status, run.attempt, engine.pauses) == (RunStatus.FAILED, 1, [])
    assert run.error is not None
    assert "there is no table 't'" in run.error
    assert engine.job.blocked == run.error
    assert engine.job.due
    engine.world.execute("ALTER TABLE hidden RENAME TO t")
    assert engine.run().status is RunStatus.COMPLETED
    assert engine.job.blocked is None
    kinds = [event.kind for event in engine.state.events.list(engine.job.id) if event.run_number is None]
    assert kinds[:2] == ["job_unblocked", "job_blocked"]


def test_an_error_that_nobody_foresaw_ends_the_run_and_is_in_the_log(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.plugins.before["embedder.embed"] = failing(ZeroDivisionError("odd"))
    run = engine.run()
    assert (run.status, run.error) == (
        RunStatus.FAILED,
        "unexpected ZeroDivisionError: odd (the log has the whole story)",
    )
    assert engine.pauses == []
    [record] = [record for record in caplog.records if record.exc_info]
    assert "does not know" in record.message
    assert engine.state.leases.recover(NOW, lambda owner: False) == []


def test_an_attempt_that_takes_too_long_stops_at_a_batch_boundary(engine: Engine) -> None:
    engine.world.rewrite(("window_rows: 100", "window_rows: 100\n    timeout: 1 SECOND"))
    with Engine.of(engine.world, NOW) as hasty:
        begun = time.monotonic()
        hasty.at_step["committed"] = lambda: until(lambda: time.monotonic() > begun + 1.2)
        run = hasty.run()
        assert (run.status, run.error) == (RunStatus.TIMED_OUT, "the attempt took longer than 1 SECOND")
        assert run.counts.embedded == 100
        hasty.at_step.clear()
        assert hasty.run().counts.embedded == 150


def test_end_time_in_the_middle_stops_a_scheduled_run_and_its_checkpoint_stays(engine: Engine) -> None:
    end = NOW + timedelta(minutes=5)
    engine.world.rewrite(
        ("interval: 1 DAY", f"interval: 1 DAY\n    start_time: {NOW.isoformat()}\n    end_time: {end.isoformat()}")
    )
    with Engine.of(engine.world, NOW) as bounded:
        run = bounded.triggers.tick(bounded.job.id)
        assert run is not None
        claimed = bounded.state.leases.claim(owner_id(), NOW, TTL, run.number)
        assert claimed is not None

        def pass_the_end() -> None:
            bounded.clock.now = end + SECOND

        bounded.at_step["committed"] = pass_the_end
        ended = bounded.runner().execute(*claimed, Stop())
        assert (ended.status, ended.error) == (RunStatus.CANCELED, "end_time was reached")
        assert (ended.counts.embedded, ended.watermark is not None) == (100, True)
        assert bounded.triggers.recover(ended) is None
        # Somebody who asks by hand gets the rest.
        assert bounded.run().counts.embedded == 150


def test_the_run_of_a_tick_at_end_time_itself_is_not_stopped_by_it(engine: Engine) -> None:
    start, end = NOW - 24 * HOUR, NOW
    engine.world.rewrite(
        ("interval: 1 DAY", f"interval: 1 DAY\n    start_time: {start.isoformat()}\n    end_time: {end.isoformat()}")
    )
    with Engine.of(engine.world, NOW + SECOND) as last:
        run = last.triggers.tick(last.job.id)
        assert run is not None
        assert (run.scheduled_at, run.trigger) == (end, Trigger.SCHEDULE)
        claimed = last.state.leases.claim(owner_id(), last.clock(), TTL, run.number)
        assert claimed is not None
        assert last.runner().execute(*claimed, Stop()).status is RunStatus.COMPLETED


def test_a_request_to_stop_ends_the_wait_between_attempts(engine: Engine) -> None:
    stop = Stop()

    def fail() -> None:
        stop.ask(Cancelled("enough"))
        raise TransientError("the source is down")

    engine.plugins.before["source.begin"] = fail
    run = engine.run(stop=stop)
    assert (run.status, run.error, len(engine.pauses)) == (RunStatus.CANCELED, "enough", 1)


def test_a_run_that_somebody_cancels_stops_at_its_next_batch(engine: Engine) -> None:
    run, lease = engine.claim()
    stop = Stop()

    def cancel() -> None:
        engine.state.runs.request_cancel(run.number, NOW)
        assert stop.event.wait(20)

    engine.at_step["committed"] = cancel
    ended = engine.runner(ttl=SECOND).execute(run, lease, stop)
    assert (ended.status, ended.error) == (RunStatus.CANCELED, "the run was canceled")
    assert ended.counts.embedded == 100


def test_whoever_lost_the_lease_can_commit_nothing_more(engine: Engine) -> None:
    """A holder that was away for longer than its lease meets a peer that has gone on; only the peer's word counts."""
    run, lease = engine.claim()
    stop = Stop()
    peers = []

    def be_away() -> None:
        engine.at_step.clear()
        later = NOW + HOUR
        [crashed] = engine.state.leases.recover(later, lambda owner: True)
        replacement = engine.triggers.recover(crashed)
        assert replacement is not None
        claimed = engine.state.leases.claim("peer", later, TTL, replacement.number)
        assert claimed is not None
        peers.append(engine.runner().execute(*claimed, Stop()))

    engine.at_step["commit"] = be_away
    with pytest.raises(LeaseLost, match="is held no more"):
        engine.runner().execute(run, lease, stop)
    [peer] = peers
    assert peer.status is RunStatus.COMPLETED
    after = engine.state.checkpoints.get(engine.job.id)
    assert after is not None
    assert str(after.watermark) == peer.watermark
    assert engine.state.runs.get(run.number).status is RunStatus.CRASHED
    engine.parts.close()
    engine.world.assert_in_step()


def test_the_heartbeat_tells_a_run_that_its_lease_is_gone(engine: Engine) -> None:
    run, lease = engine.claim()
    stop = Stop()

    def lose() -> None:
        # A beat that comes between the look and the taking saves the lease once more.
        until(lambda: engine.state.leases.recover(NOW + HOUR, lambda owner: True))
        assert stop.event.wait(20)

    engine.at_step["read"] = lose
    with pytest.raises(LeaseLost):
        engine.runner(ttl=SECOND).execute(run, lease, stop)
    assert engine.state.checkpoints.get(engine.job.id) is None


def test_a_long_run_keeps_its_lease(engine: Engine) -> None:
    engine.clock.now = None
    run, lease = engine.claim()
    ttl = timedelta(seconds=0.6)
    begun = time.monotonic()
    engine.at_step["committed"] = lambda: until(lambda: time.monotonic() > begun + 1.5)
    engine.state.leases.renew(lease, engine.clock(), ttl)
    assert engine.runner(ttl).execute(run, lease, Stop()).status is RunStatus.COMPLETED


def test_a_knowledge_base_that_is_a_new_one_resets_the_checkpoint_with_an_event(engine: Engine) -> None:
    engine.run()
    engine.parts.close()
    shutil.rmtree(engine.world.folder / "kb")
    with Engine.of(engine.world, NOW) as again:
        assert again.run().counts.embedded == 250
        [event] = [event for event in again.state.events.list() if event.kind == "checkpoint_reset"]
        assert (event.job_id, event.detail) == (again.job.id, "the knowledge base is a new one")


def test_a_store_that_fails_is_opened_anew_for_the_next_attempt(engine: Engine) -> None:
    engine.plugins.before["store.upsert"] = failing(TransientError("the store is away"), 1)
    assert engine.run().status is RunStatus.COMPLETED
    assert engine.plugins.opened == 2
    engine.run()
    assert engine.plugins.opened == 2


def test_a_store_that_fails_is_not_closed_under_a_search(engine: Engine) -> None:
    engine.plugins.before["store.upsert"] = failing(TransientError("the store is away"), 1)
    with engine.parts.target("kb_one") as held:
        assert engine.run().status is RunStatus.COMPLETED
        assert held.knowledge_base.count() == 250
    assert engine.plugins.opened == 1
    assert engine.parts.search("kb_one", "anything", 1, {}) != []
    assert engine.plugins.opened == 2


def test_a_store_that_cannot_be_opened_blocks_the_job_with_the_reason(engine: Engine) -> None:
    engine.plugins.before["store.open"] = failing(PermanentError("another model fills it"), 1)
    assert engine.run().error == "another model fills it"
    assert engine.job.blocked == "another model fills it"
    assert engine.run().status is RunStatus.COMPLETED


def test_every_line_of_a_run_is_written_at_a_level_that_fits_its_end(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine.run()
    assert caplog.messages[0] == "run started (manual)"
    assert "run completed in" in caplog.messages[-1]
    assert "250 read, 250 embedded" in caplog.messages[-1]
    engine.plugins.before["source.begin"] = failing(TransientError("the source is down"))
    engine.run()
    levels = [record.levelname for record in caplog.records[-3:]]
    assert levels == ["WARNING", "WARNING", "ERROR"]
