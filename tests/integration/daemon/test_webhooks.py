"""The daemon tells what its runs do, and how far its jobs are behind."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from syncd.errors import TransientError
from syncd.freshness import Freshness
from syncd.model.run import RunStatus
from syncd.telemetry import Metrics
from tests.daemon import serving
from tests.engine import Engine
from tests.receiver import receiving
from tests.waiting import until
from tests.world import World, now


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    made = World.make(tmp_path, sqlite_url)
    made.fill(1, 20)
    return made


def test_a_run_is_told_to_a_receiver_in_a_network_that_was_allowed(world: World) -> None:
    world.rewrite(("\nserver:", "\nwebhooks: {allow_private: [127.0.0.0/8]}\nserver:"))
    with receiving() as receiver, serving(world) as daemon:
        daemon.first()
        made = daemon.client.post("/v1/webhooks", json={"name": "one", "url": receiver.url}).json()
        run = daemon.run()
        until(lambda: len(receiver.received) == 2)
        assert receiver.events == ["run.started", "run.completed"]
        shown = daemon.client.get(f"/v1/runs/{run.id}").json()
        assert receiver.received[1].said["run"] == shown
        assert all(message.is_signed_with(made["secret"]) for message in receiver.received)


def test_no_network_is_allowed_unless_it_is_configured(world: World) -> None:
    with receiving() as receiver, serving(world) as daemon:
        answer = daemon.client.post("/v1/webhooks", json={"name": "one", "url": receiver.url})
        assert answer.status_code == 422
        assert "not public" in answer.json()["error"]["details"][0]["message"]


def test_a_job_that_falls_behind_is_told_once_and_again_after_it_caught_up(world: World) -> None:
    with Engine.of(world) as engine:
        state, clock = engine.state, engine.clock
        clock.now = begun = now()
        webhook = state.webhooks.add("one", "https://example.com/", "s" * 32, begun, max_seconds_behind=600)
        freshness = Freshness(state, engine.parts, Metrics(CollectorRegistry()), clock)

        def breaches_after(minutes: float) -> int:
            """Measure so long after the beginning, and count what has been told up to then."""
            clock.now = begun + timedelta(minutes=minutes)
            freshness.measure_in_background()
            assert freshness._thread is not None
            freshness._thread.join()
            return len([event for event in state.events.list() if event.kind == "freshness.breached"])

        def catch_up() -> None:
            # The first run sees the largest number, the second one finds that nothing ran then any more.
            assert [engine.run().status for _ in range(2)] == [RunStatus.COMPLETED] * 2

        assert breaches_after(5) == 0, "the job was made five minutes ago"
        assert breaches_after(11) == 1, "nothing was ever read"
        catch_up()
        assert breaches_after(12) == 1
        assert breaches_after(100) == 1, "no row was added since"
        world.fill(100_000, 100_010)
        assert breaches_after(109) == 1, "it was in step nine minutes ago"
        assert breaches_after(111) == 2
        assert breaches_after(200) == 2, "this is still the same"
        catch_up()
        assert breaches_after(201) == 2
        engine.plugins.before["source.rows_after"] = unreachable
        assert breaches_after(210) == 2
        assert breaches_after(215) == 3, "what cannot be read cannot be known to be in step"
        del engine.plugins.before["source.rows_after"]
        assert breaches_after(216) == 3
        state.jobs.pause(engine.job.id, clock())
        world.fill(200_000, 200_010)
        assert breaches_after(300) == 3, "a paused job is behind because somebody wants it to be"
        state.webhooks.remove(webhook.number)
        state.jobs.resume(engine.job.id, clock())
        assert breaches_after(400) == 3


def unreachable() -> None:
    raise TransientError("the database does not answer")
