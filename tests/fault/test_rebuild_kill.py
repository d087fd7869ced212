"""SIGKILL at every step of a rebuild: nothing is mixed, nothing is lost, and the next run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.pace import ITEMS
from syncd.testing.failpoints import VARIABLE
from tests.engine import Engine
from tests.integration.sync.test_generations import OTHER_MODEL, rebuild_of, states
from tests.world import World

ROWS, WINDOW = 2 * (ITEMS + 100), ITEMS + 100

# Where the process dies, and how much of the new generation is there by then, at least and at most.
KILLS = [
    ("embedded", 2, 0, ITEMS),
    ("written", 1, ITEMS, ITEMS),
    ("commit", 1, WINDOW, WINDOW),
    ("committed", 2, ROWS, ROWS),
    ("complete", 1, ROWS, ROWS),
]

BETWEEN_THE_RENAMES = """
import os, signal, sys
from syncd.cli import main
from syncd.knowledge.chroma.collection import Bound
rename = Bound.rename
def last_act(self, name):
    rename(self, name)
    os.kill(os.getpid(), signal.SIGKILL)
Bound.rename = last_act
sys.argv = ["syncd", "sync", "copy", "--config", sys.argv[1]]
main()
"""


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """An installation in step whose model was changed, with a rebuild that has begun."""
    made = World.make(tmp_path, sqlite_url, window_rows=WINDOW)
    made.fill(1, ROWS)
    made.sync()
    made.rewrite(OTHER_MODEL)
    with Engine.of(made) as engine:
        rebuild_of(engine).begin("kb_one", recalls=False)
    return made


def assert_swapped(world: World) -> None:
    """The new generation serves once the knowledge base is open, whole and pure."""
    with Engine.of(world) as engine:
        assert [one.generation.embedding for one in rebuild_of(engine).look("kb_one")] == [
            "hashing:64:1 text:16:0",
            "hashing:256:1 text:16:0",
        ]
        assert list(states(engine).values()) == [ROWS, ROWS]
    world.assert_pure()
    world.assert_in_step()


@pytest.mark.parametrize(("step", "count", "least", "most"), KILLS)
def test_a_kill_while_a_generation_is_filled_costs_the_batches_under_way(
    world: World, step: str, count: int, least: int, most: int
) -> None:
    killed = world.run("sync", "copy", env={VARIABLE: f"{step}:{count}"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    world.assert_pure()
    run = world.sync()
    assert run.status == "completed"
    assert least <= ROWS - run.counts.embedded <= most
    assert_swapped(world)


@pytest.mark.parametrize("moment", ["between the renames", "after the swap"])
def test_a_kill_in_a_swap_is_completed_by_the_next_opening(world: World, moment: str) -> None:
    if moment == "after the swap":
        killed = world.run("sync", "copy", env={VARIABLE: "swapped:1"})
    else:
        command = [sys.executable, "-c", BETWEEN_THE_RENAMES, str(world.config)]
        killed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170, env=os.environ)
        assert "kb_one" not in world.collections()
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert_swapped(world)
    assert world.sync().counts.embedded == 0
    assert_swapped(world)
