"""Restoring, killed at any moment and drilled under writes: no state is lost, no row missed, no text embedded twice."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from syncd.model.job import Origin
from syncd.model.run import PENDING, RunStatus
from syncd.state import State
from syncd.state.backup import back_up, restore
from syncd.triggers import Triggers
from tests.daemon import READY, process
from tests.integration.state.values import NOW, definition
from tests.waiting import until
from tests.world import World, now, words

KILLING = """
import json, os, shutil, signal, sys
from pathlib import Path
from syncd.state import State
from syncd.state.backup import restore
from tests.world import now

STEPS = {"open", "os.rename", "os.remove", "sqlite3.connect"}
folder, prepared, backup = map(Path, sys.argv[1:])
url = f"sqlite:///{folder / 'state.db'}"

def killed_at(step):
    def hook(event, _):
        nonlocal step
        if event in STEPS:
            step -= 1
            if step < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    if (child := os.fork()) == 0:
        sys.addaudithook(hook)
        restore(url, backup, now())
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL

def jobs(url):
    state = State.open(url)
    names = [job.name for job in state.jobs.list()]
    state.close()
    return names

State.open(f"sqlite:///{backup}.warm").close()
for step in range(200):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared, folder)
    killed = killed_at(step)
    made = State.is_new(url)
    found = jobs(url)
    aside = [jobs(f"sqlite:///{file}") for file in folder.glob("*.before-restore-*Z")]
    print(json.dumps([killed, made, found, aside, sorted(file.name for file in folder.glob("*.restoring"))]))
    if not killed:
        break
"""


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """The files of a state whose last job is in its log alone, as a killed process leaves them."""
    live = tmp_path / "live"
    state = State.open(f"sqlite:///{live / 'state.db'}")
    state.jobs.put("early", definition(), Origin.FILE, NOW)
    back_up(f"sqlite:///{live / 'state.db'}", tmp_path / "backup.db")
    with closing(sqlite3.connect(live / "state.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    state.jobs.put("late", definition(), Origin.FILE, NOW)
    shutil.copytree(live, tmp_path / "prepared")
    state.close()
    assert (tmp_path / "prepared" / "state.db-wal").stat().st_size > 0
    return tmp_path / "prepared"


def test_a_kill_at_any_step_leaves_the_state_that_was_or_the_restored_one(tmp_path: Path, prepared: Path) -> None:
    """Before each file that is opened, renamed or removed; the next start completes what was begun."""
    ended = subprocess.run(
        [sys.executable, "-c", KILLING, str(tmp_path / "data"), str(prepared), str(tmp_path / "backup.db")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    *cut_off, whole = [json.loads(line) for line in ended.stdout.splitlines()]
    before, after = ["early", "late"], ["early"]
    assert whole == [False, False, after, [before], []]
    for killed, new, found, aside, left in cut_off:
        assert (killed, new, left) == (True, False, [])
        assert (found, aside) in [(before, []), (after, [before])]
    assert {len(found) for _, _, found, _, _ in cut_off} == {1, 2}, "both sides of the step that decides were met"
    moves = [found for _, _, found, _, _ in cut_off]
    assert moves == sorted(moves, key=len, reverse=True), "once decided, it is never taken back"


@contextmanager
def writes(world: World, rng: random.Random, clock: list[int]) -> Iterator[Callable[[], object]]:
    """Change rows, one transaction after the other, while the block runs; the returned call ends it."""
    over = threading.Event()

    def write() -> None:
        for _ in range(2000):
            if over.wait(0.01):
                return
            clock[0] += 1
            f, id_ = clock[0], rng.randint(1, 120)
            match rng.randrange(4):
                case 0:
                    world.execute(f"UPDATE t SET gone = 1 - gone, f = {f} WHERE id = {id_}")
                case 1:
                    world.execute(f"UPDATE t SET tag = 'at{f}', f = {f} WHERE id = {id_}")
                case 2:
                    world.execute(f"UPDATE t SET body = '{words(f, 30)}', f = {f} WHERE id = {id_}")
                case _:
                    world.fill(f, f)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield over.set
    finally:
        over.set()
        thread.join()


def run_in_daemon(world: World, wanted: Callable[[RunStatus], bool]) -> None:
    """Ask the daemon for a run, and wait until its status is a wanted one."""
    with closing(State.open(world.state_url)) as state:
        number = Triggers(state, now).ask(state.jobs.get("copy")).number
        until(lambda: wanted(state.runs.get(number).status))


def missing(world: World) -> int:
    """How many texts of the table the knowledge base does not hold."""
    held = world.held()
    return sum(held.get(id_, ("",))[0] != content for id_, (content, _, _) in world.expected().items())


def test_a_drill_of_backups_kills_and_restores_under_writes(tmp_path: Path, sqlite_url: str) -> None:
    """The restored state is older than the knowledge base each time, and twice the one it replaces is damaged."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("window_rows: 100", "window_rows: 100\n    lookback: 0"))
    world.fill(1, 120)
    clock, backup = [1000], tmp_path / "backup.db"
    for damage in (None, "damaged", "lost"):
        with process(world) as daemon, writes(world, rng, clock) as end:
            daemon.wait_for(READY)
            run_in_daemon(world, lambda status: not status.live)
            back_up(world.state_url, backup, overwrite=True)
            run_in_daemon(world, lambda status: status not in PENDING)
            daemon.send(signal.SIGKILL)
            daemon.end()
            end()
        state = tmp_path / "state.db"
        if damage == "damaged":
            state.write_bytes(state.read_bytes()[:5000])
        if damage == "lost":
            state.unlink()
        wanted = missing(world)
        restore(world.state_url, backup, now())
        run = world.sync()
        assert (run.status, run.counts.embedded) == ("completed", wanted)
        world.assert_in_step()
