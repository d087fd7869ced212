"""A run that was held up for longer than its lease, while another process went on, replaces nothing newer for good."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.attempt import Stop
from syncd.cli.execution import Execution
from syncd.config.load import load
from syncd.errors import LeaseLost, TransientError, Unavailable, WroteLate
from syncd.model.run import Run, RunOptions, RunStatus, Trigger
from syncd.state import State
from syncd.triggers import LATE_WRITE
from tests.daemon import process
from tests.engine import TTL, Engine
from tests.held_daemon import HELD
from tests.integration.daemon.test_takeover import stopped_between_transactions
from tests.services import ChromaServer
from tests.waiting import until
from tests.world import World

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path, sqlite_url: str) -> Iterator[Engine]:
    """A job over 250 rows that looks back at nothing, so that a row is read once."""
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("interval: 1 DAY", "interval: 1 DAY\n    lookback: 0"))
    world.fill(1, 250)
    with Engine.of(world, NOW) as made:
        yield made


def taken_over(engine: Engine, *changes: str) -> Run:
    """Let a peer take the job over, and sync what changed meanwhile."""
    engine.plugins.before.clear()
    engine.at_step.clear()
    engine.clock.now = engine.clock() + timedelta(hours=1)
    [crashed] = until(lambda: engine.state.leases.recover(engine.clock(), lambda owner: True))
    engine.world.execute(*changes)
    replacement = engine.triggers.recover(crashed)
    assert replacement is not None
    claimed = engine.state.leases.claim("peer", engine.clock(), TTL, replacement.number)
    assert claimed is not None
    return engine.runner().execute(*claimed, Stop())


CHANGED = "UPDATE t SET body = 'newer', tag = 'newer', f = 9000 WHERE id IN (7, 8)"


def test_a_lease_that_was_lost_before_a_write_is_noticed_before_it(engine: Engine) -> None:
    """What was embedded from older rows is not written any more."""
    engine.at_step["embedded"] = lambda: taken_over(engine, CHANGED)
    with pytest.raises(LeaseLost) as caught:
        engine.runner().execute(*engine.claim(), Stop())
    assert not isinstance(caught.value, WroteLate)
    engine.parts.close()
    engine.world.assert_in_step()


@pytest.mark.parametrize(
    ("call", "before", "meanwhile"),
    [
        ("store.upsert", "UPDATE t SET body = 'older', f = 800 WHERE id IN (7, 8)", CHANGED),
        ("store.update_metadata", "UPDATE t SET tag = 'older', f = 800 WHERE id IN (7, 8)", CHANGED),
        ("store.delete", "UPDATE t SET gone = 1, f = 800 WHERE id = 7", "UPDATE t SET gone = 0, f = 9000 WHERE id = 7"),
    ],
)
def test_a_write_that_came_too_late_is_found_by_the_next_run(
    engine: Engine, call: str, before: str, meanwhile: str
) -> None:
    """It was held up between the proof of its lease and the write, which no store can refuse."""
    engine.run()
    engine.world.execute(before)
    run, lease = engine.claim()
    engine.plugins.before[call] = lambda: taken_over(engine, meanwhile)
    with pytest.raises(WroteLate):
        engine.runner().execute(run, lease, Stop())
    engine.parts.close()
    assert engine.world.held().get("db.t:7") != engine.world.expected()["db.t:7"], "the older version has won"
    engine.triggers.compare_again(run)
    next_run = engine.run()
    assert (next_run.status, next_run.options.full, next_run.trigger) == (RunStatus.COMPLETED, True, Trigger.RECOVERY)
    assert next_run.counts.records_read == 250
    engine.parts.close()
    engine.world.assert_in_step()


def test_a_late_write_that_failed_may_have_been_done_all_the_same(engine: Engine) -> None:
    """The last thing that such a run asks of the state is to record its end."""
    engine.world.rewrite(("interval: 1 DAY", "interval: 1 DAY\n    max_attempts: 1"))
    with Engine.of(engine.world, NOW) as hasty:

        def lose_the_answer() -> None:
            taken_over(hasty, CHANGED)
            raise TransientError("the answer was lost")

        hasty.plugins.before["store.upsert"] = lose_the_answer
        with pytest.raises(WroteLate):
            hasty.runner().execute(*hasty.claim(), Stop())


def test_a_command_that_wrote_too_late_leaves_the_comparison_to_the_next_run(engine: Engine) -> None:
    engine.clock.now = None
    command = Execution(load(engine.world.config, {}, engine.plugins.options_for), engine.state, engine.parts, Stop())
    engine.plugins.before["store.upsert"] = lambda: taken_over(engine, CHANGED)
    with pytest.raises(WroteLate):
        command.run("copy", RunOptions(), lambda tally: None)
    assert engine.run().options.full
    engine.parts.close()
    engine.world.assert_in_step()


def test_a_comparison_that_the_state_does_not_take_now_is_asked_for_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.plugins.before["store.upsert"] = lambda: taken_over(engine, CHANGED)
    asked: list[int] = []
    compare_again = engine.triggers.compare_again

    def unavailable_at_first(run: Run) -> None:
        asked.append(run.number)
        if len(asked) == 1:
            raise Unavailable("the state is away")
        compare_again(run)

    monkeypatch.setattr(engine.triggers, "compare_again", unavailable_at_first)
    monkeypatch.setattr("syncd.worker.REPEAT_SECONDS", 0.05)
    late = engine.ask()
    with engine.working(concurrency=1) as worker:
        until(lambda: asked)
        worker.recover()
        worker.wake()
        until(lambda: [run for run in engine.finished if run.options.full])
    assert asked == [late.number] * 2
    engine.parts.close()
    engine.world.assert_in_step()


def test_a_job_that_may_not_run_is_compared_when_it_may_again(engine: Engine) -> None:
    """The checkpoint itself says so, for as long as it takes."""
    run = engine.run()
    engine.state.jobs.pause(engine.job.id, engine.clock())
    engine.triggers.compare_again(run)
    assert engine.state.runs.live(engine.job.id) is None
    [event] = [event for event in engine.state.events.list() if event.kind == "checkpoint_reset"]
    assert event.detail == LATE_WRITE
    engine.state.jobs.resume(engine.job.id, engine.clock())
    assert engine.run().counts.unchanged == 250


def test_a_run_that_goes_on_does_not_make_the_comparison_be_forgotten(engine: Engine) -> None:
    earlier = engine.run()
    engine.world.fill(251, 260)
    engine.at_step["embedded"] = lambda: engine.triggers.compare_again(earlier)
    assert engine.run().counts.records_read == 11
    assert engine.run().counts.records_read == 260


def test_a_stopped_process_goes_on_beside_the_one_that_took_over(
    tmp_path: Path, sqlite_url: str, own_chroma_server: ChromaServer
) -> None:
    """SIGSTOP just before a write; the rows change, a peer syncs them, SIGCONT: the newer versions stand in the end."""
    World.make(tmp_path, sqlite_url)
    world = World(tmp_path, sqlite_url, served=own_chroma_server.port)
    world.rewrite(
        (f"path: {tmp_path}/kb", f"url: {own_chroma_server.url}"),
        ("interval: 1 DAY", "interval: 1 DAY\n    lookback: 0"),
    )
    world.fill(1, 250)
    state = State.open(world.state_url)

    def completed(full: bool) -> Run | None:
        found = state.runs.list(status=RunStatus.COMPLETED)
        return next((run for run in found if run.options.full is full), None)

    with process(world, hold="store.upsert", lease_seconds=3) as first:
        first.wait_for(HELD)
        until(lambda: stopped_between_transactions(world, first))
        world.execute(CHANGED)
        with process(world, lease_seconds=4) as second:
            taken = until(lambda: completed(full=False), what=second.text)
            assert taken is not None
            assert taken.counts.records_read == 250
            (tmp_path / "go-on").touch()
            first.send(signal.SIGCONT)
            first.wait_for("is held no more")
            until(lambda: completed(full=True), what=first.text + second.text)
    state.close()
    world.assert_in_step()
