"""A plan is what the next run does, to the number, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.inspection import Inspection
from syncd.model.inspection import Plan
from tests.engine import Engine
from tests.world import World, now


def planned(world: World) -> Plan:
    """What the next run of the job will do."""
    with Engine.of(world) as engine:
        before = engine.state.checkpoints.get(engine.job.id), engine.state.events.list()
        plan = Inspection(engine.state, engine.parts, now).plan(engine.job)
        assert (engine.state.checkpoints.get(engine.job.id), engine.state.events.list()) == before
    return plan


def held(world: World) -> dict[str, dict[str, object]]:
    """All that the knowledge base holds."""
    return world.chunks()


@pytest.mark.parametrize("deletes", ["soft, column: gone", "sweep, interval: 1 WEEKS"])
def test_the_next_run_does_what_was_planned(tmp_path: Path, sqlite_url: str, deletes: str) -> None:
    """For the first run, for changes of every kind, for a changed definition, and when there is nothing to do."""
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("soft, column: gone", deletes))
    world.fill(1, 250)
    world.fill(251, 300, length=40)

    def check() -> Plan:
        plan = planned(world)
        assert plan.seconds > 0
        assert plan.counts == world.sync().counts
        world.assert_in_step()
        return plan

    first = check()
    assert (first.counts.inserted, first.counts.embedded, first.from_beginning) == (300, 300, None)
    world.execute("UPDATE t SET body = 'changed ' || id, f = f + 1000 WHERE id <= 10")
    world.execute("UPDATE t SET tag = 'moved', f = f + 1000 WHERE id BETWEEN 11 AND 15")
    world.execute("UPDATE t SET body = '', f = f + 1000 WHERE id BETWEEN 16 AND 18")
    world.fill(400, 404)
    before = held(world)
    planned(world)
    assert held(world) == before
    second = check()
    counts = second.counts
    assert (counts.inserted, counts.embedded, counts.metadata_updated, counts.deleted) == (5, 15, 5, 3)
    check()
    idle = check().counts
    assert (idle.records_read, idle.embedded) == (0, 0)
    world.rewrite(("metadata_columns: [tag]", "metadata_columns: [tag, gone]"))
    third = planned(world)
    assert third.from_beginning == "the job's definition changed"
    assert third.counts == world.sync().counts
    assert third.counts.metadata_updated == 302


def test_a_plan_tells_of_a_sweep_that_would_wait_for_approval(tmp_path: Path, sqlite_url: str) -> None:
    """The run would remove too much, and the plan says so before anything is tried."""
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("soft, column: gone", "sweep"))
    world.fill(1, 250)
    world.sync()
    world.execute("DELETE FROM t WHERE id > 100")
    with Engine.of(world) as engine:
        assert Inspection(engine.state, engine.parts, now).plan(engine.job).withheld is None, "no sweep is due"
        tomorrow = engine.job.definition.schedule.next_tick(now())
        assert tomorrow is not None
        plan = Inspection(engine.state, engine.parts, lambda: tomorrow).plan(engine.job)
    assert plan.sweeps
    assert "would remove 150 of 250 documents" in str(plan.withheld)
