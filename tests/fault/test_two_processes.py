"""Two processes at once on one job: its rows are synced once, whoever does it, and the store stays whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

from syncd.model.run import RunStatus
from syncd.state import State
from tests.services import ChromaServer
from tests.world import World

ROWS = 600


def both(world: World) -> list[tuple[int, str]]:
    """Start `syncd sync` twice at the same time, and return how each ended and what it said."""
    command = world.command("sync", "copy")
    started = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[1] for process in started]
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


def embedded(world: World) -> int:
    """How many documents the completed runs have embedded in all."""
    state = State.open(world.state_url)
    try:
        runs = state.runs.list()
        assert not [run for run in runs if run.status.live]
        return sum(run.counts.embedded for run in runs if run.status is RunStatus.COMPLETED)
    finally:
        state.close()


def test_two_commands_on_one_embedded_store(tmp_path: Path, sqlite_url: str) -> None:
    """One of them owns it; the other is told who does, or comes after it."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, ROWS)
    ends = both(world)
    assert {code for code, _ in ends} <= {0, 3}
    assert 0 in {code for code, _ in ends}
    for code, said in ends:
        assert code == 0 or ("is in use by pid" in said and "role syncd sync" in said), said
    assert embedded(world) == ROWS
    world.assert_in_step()


def test_two_commands_on_a_server(tmp_path: Path, sqlite_url: str, own_chroma_server: ChromaServer) -> None:
    """They share one run, or come one after the other."""
    World.make(tmp_path, sqlite_url)
    world = World(tmp_path, sqlite_url, served=own_chroma_server.port)
    world.rewrite((f"path: {tmp_path}/kb", f"url: {own_chroma_server.url}"))
    world.fill(1, ROWS)
    for code, said in both(world):
        assert code == 0, said
    assert embedded(world) == ROWS
    world.assert_in_step()
