"""The daemon: as a process of its own, or inside this one, where its parts can be disturbed."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from syncd.cli.configuration import watched
from syncd.daemon import Daemon
from syncd.model.run import Run
from syncd.state import State
from syncd.triggers import Triggers
from tests.engine import Disturbed, Gate
from tests.waiting import until
from tests.world import World, now

READY = "syncd is ready"


class Process:
    """A daemon that runs on its own, and what it has said."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, words: str) -> dict[str, Any]:
        """Wait until it says these words, and return that log line."""

        def said() -> str | None:
            assert self._reader.is_alive() or words in self.text, f"it ended without saying {words!r}:\n{self.text}"
            return next((line for line in self.lines if words in line), None)

        line = until(said, what=f"it did not say {words!r}:\n{self.text}")
        assert line is not None
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def text(self) -> str:
        """All that it has said."""
        return "".join(self.lines)

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it answers, once it does."""
        return str(self.wait_for(READY)["message"]).rpartition(", ")[2]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, seconds: float = 60) -> int:
        """Wait until it has ended, and return its exit status."""
        code = self._process.wait(seconds)
        self._reader.join()
        return code

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self.end()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self.lines.append(line)


@contextmanager
def process(world: World, hold: str = "", lease_seconds: float = 30) -> Iterator[Process]:
    """Run a daemon while the block runs.

    Args:
        hold: where it stops and waits, once; see `tests.held_daemon`.
        lease_seconds: how long its leases last.
    """
    module = [sys.executable, "-m", "tests.held_daemon", str(world.config), hold, str(lease_seconds)]
    started = Process(*(module if hold or lease_seconds != 30 else world.command("run")))
    try:
        yield started
    finally:
        started.kill()


@dataclass(frozen=True)
class Serving:
    """A daemon inside this process."""

    world: World
    daemon: Daemon
    plugins: Disturbed
    state: State
    client: httpx.Client
    ended: Future[bool]

    def run(self, job: str = "copy") -> Run:
        """Ask for a run of a job as another process would, and return it as it ended."""
        number = Triggers(self.state, now).ask(self.state.jobs.get(job)).number

        def ended() -> Run | None:
            run = self.state.runs.get(number)
            return None if run.status.live else run

        run = until(ended, what=f"{job} did not end")
        assert run is not None
        return run

    def first(self, job: str = "copy") -> Run:
        """Return the job's first run as it ended."""
        job_id = self.state.jobs.get(job).id

        def ended() -> Run | None:
            return next((run for run in reversed(self.state.runs.list(job_id)) if not run.status.live), None)

        run = until(ended, what=f"{job} has no run")
        assert run is not None
        return run


@contextmanager
def serving(world: World, state_url: str = "", lease_seconds: float = 30, **steps: Gate) -> Iterator[Serving]:
    """Run a daemon inside this process while the block runs.

    Args:
        state_url: where its state is, when that is not the world's own.
        lease_seconds: how long its leases last.
        steps: gates at which the pipeline waits, by the name of the step.
    """
    plugins = Disturbed()

    def reached(step: str) -> None:
        if step in steps:
            steps[step]()

    daemon = Daemon(watched(world.config, plugins), plugins, reached, lease_ttl=timedelta(seconds=lease_seconds))
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(daemon.serve)
        try:
            url = until(lambda: ended.done() or _url(world))
            assert isinstance(url, str), ended.result()
            state = State.open(state_url or world.state_url)
            with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
                until(lambda: _answers(client))
                yield Serving(world, daemon, plugins, state, client, ended)
            state.close()
        finally:
            daemon.stop()
            for gate in steps.values():
                gate.open()
        assert ended.result(timeout=60)


def wait_for_heartbeats(world: World, count: int) -> None:
    """Wait until the lease of the run that goes on was renewed so many times."""

    seen = set()

    def renewed() -> bool:
        with closing(sqlite3.connect(world.folder / "state.db")) as connection:
            seen.add(connection.execute("SELECT expires_at FROM leases").fetchone())
        return len(seen) > count

    until(renewed)


def _url(world: World) -> str | None:
    """Return where the owner of the knowledge base says that it answers."""
    try:
        found = json.loads((world.folder / "kb.lock").read_text())
    except (OSError, ValueError):
        return None
    return str(found["url"])


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False
