"""SIGKILL at every step of a sync: whatever was acknowledged is there, and the next run completes the rest."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from syncd.pace import ITEMS
from syncd.testing.failpoints import VARIABLE
from tests.world import World

ROWS, WINDOW = 2 * (ITEMS + 100), ITEMS + 100

# Each window has two batches; what was written before the kill is not embedded again.
# While a batch is written the next is embedded, and the next window read: then it is open how far the writing has come.
KILLS = [
    ("read", 2, 0, WINDOW),
    ("embedded", 1, 0, 0),
    ("embedded", 2, 0, ITEMS),
    ("written", 1, ITEMS, ITEMS),
    ("written", 3, WINDOW + ITEMS, WINDOW + ITEMS),
    ("commit", 1, WINDOW, WINDOW),
    ("committed", 1, WINDOW, WINDOW),
    ("commit", 3, ROWS, ROWS),
]


@pytest.mark.parametrize(("step", "count", "least", "most"), KILLS)
def test_a_kill_costs_no_more_than_the_batches_under_way(
    tmp_path: Path, sqlite_url: str, step: str, count: int, least: int, most: int
) -> None:
    world = World.make(tmp_path, sqlite_url, window_rows=WINDOW)
    world.fill(1, ROWS)
    done = world.run("sync", "copy", env={VARIABLE: f"{step}:{count}"})
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = world.sync()
    assert run.status == "completed"
    assert least <= ROWS - run.counts.embedded <= most
    world.assert_in_step()


def test_a_kill_costs_four_batches_at_most(tmp_path: Path, sqlite_url: str) -> None:
    """When the fifth batch has been embedded, the first one is written, however many are made at once."""
    rows = 6 * ITEMS
    world = World.make(tmp_path, sqlite_url, window_rows=rows)
    world.fill(1, rows)
    done = world.run("sync", "copy", env={VARIABLE: "embedded:5"})
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = world.sync()
    assert run.status == "completed"
    assert rows - run.counts.embedded >= (5 - 4) * ITEMS
    world.assert_in_step()


def test_a_kill_while_a_text_shrinks_leaves_no_tail(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 20, length=100)
    world.sync()
    world.execute("UPDATE t SET body = 'short ' || id, f = f + 1000")
    assert world.run("sync", "copy", env={VARIABLE: "written:1"}).returncode == -signal.SIGKILL
    world.sync()
    world.assert_in_step()
