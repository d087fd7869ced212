"""SIGKILL at every step of a sync: whatever was acknowledged is there, and the next run completes the rest."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from syncd.testing.failpoints import VARIABLE
from tests.world import World

ROWS, WINDOW = 600, 300

# Batches hold 256 documents, so each window of 300 has two; what was written before the kill is not embedded again.
KILLS = [
    ("read", 2, 300),
    ("embedded", 1, 0),
    ("embedded", 2, 256),
    ("written", 1, 256),
    ("written", 3, 556),
    ("commit", 1, 300),
    ("committed", 1, 300),
    ("commit", 4, 600),
]


@pytest.mark.parametrize(("step", "count", "written"), KILLS)
def test_a_kill_costs_at_most_one_batch_of_repeated_work(
    tmp_path: Path, sqlite_url: str, step: str, count: int, written: int
) -> None:
    world = World.make(tmp_path, sqlite_url, window_rows=WINDOW)
    world.fill(1, ROWS)
    done = world.run("sync", "copy", env={VARIABLE: f"{step}:{count}"})
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = world.sync()
    assert run.status == "completed"
    assert run.counts.embedded == ROWS - written
    world.assert_in_step()


def test_a_kill_while_a_text_shrinks_leaves_no_tail(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 20, length=100)
    world.sync()
    world.execute("UPDATE t SET body = 'short ' || id, f = f + 1000")
    assert world.run("sync", "copy", env={VARIABLE: "written:1"}).returncode == -signal.SIGKILL
    world.sync()
    world.assert_in_step()
