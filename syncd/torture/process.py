"""Runs work in processes that can be killed at any moment, without paying for an interpreter each time.

A child is forked from this process, which has imported what is heavy and has started no thread and opened nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import runpy
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAVY = (
    "chromadb.api.rust",
    "chromadb.api.models.Collection",
    "syncd.source.sql",
    "syncd.knowledge.chroma",
    "syncd.chunk.text",
)

PATIENCE = 300.0
"""Seconds after which a child counts as one that hangs."""

EXAMINATION = 60.0
"""Seconds that the examination of a store may take here, whose stores are small."""


def preload() -> None:
    """Import what every child needs."""
    for name in HEAVY:
        importlib.import_module(name)


@dataclass(frozen=True, slots=True)
class Trace:
    """What a child has told, line by line; it is there whatever becomes of the child."""

    file: Path

    def tell(self, **event: Any) -> None:
        """Add an event."""
        line = json.dumps(event) + "\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)

    def events(self) -> list[dict[str, Any]]:
        """Return all events, oldest first."""
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Args:
        status: its exit status; minus the signal's number when one ended it.
        seconds: how long it lived.
        events: what it told.
        hung: whether it would not have ended by itself.
        answer: what its work returned; None when it came to no end.
    """

    status: int
    seconds: float
    events: Sequence[dict[str, Any]]
    hung: bool = False
    answer: Any = None

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL

    def told(self, name: str) -> list[Any]:
        """Return the values of all events of a name."""
        return [event[name] for event in self.events if name in event]


def forked(
    work: Callable[[Trace], Any],
    trace: Path,
    *,
    kill_after: float | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Ended:
    """Run work in a child, and return when the child and all that it has started have ended.

    Args:
        work: given the trace; what it raises is told there.
        trace: the file for it.
        kill_after: send SIGKILL after so many seconds.
        meanwhile: done in this process while the child works.
    """
    begun = time.monotonic()
    answer = trace.with_suffix(".answer")
    for file in (trace, answer):
        file.unlink(missing_ok=True)
    ends, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ends)
        _child(work, Trace(trace), answer)
    os.close(held)
    hung = False
    try:
        meanwhile()
        left = PATIENCE if kill_after is None else max(0.0, kill_after - (time.monotonic() - begun))
        if not select.select([ends], [], [], left)[0]:
            hung = kill_after is None
            os.kill(pid, signal.SIGKILL)
            select.select([ends], [], [], PATIENCE)
    finally:
        os.close(ends)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    # Our own child wrote it a moment ago.
    found = pickle.loads(answer.read_bytes()) if status == 0 else None  # noqa: S301
    return Ended(status, time.monotonic() - begun, Trace(trace).events(), hung, found)


def _child(work: Callable[[Trace], Any], trace: Trace, answer: Path) -> None:
    status = 70
    try:
        # The module's own function, because whoever starts another process calls it there.
        subprocess.run = _run_forked  # type: ignore[assignment]  # for the calls that syncd makes
        answer.write_bytes(pickle.dumps(work(trace)))
        status = 0
    except BaseException:
        trace.tell(trouble=traceback.format_exc())
    finally:
        os._exit(status)


_run = subprocess.run


def _run_forked(command: Any, *, timeout: float | None = None, **named: Any) -> Any:
    """Run one of syncd's own modules in a fork of this process, which must have no thread yet; others as usual."""
    if command[:2] != [sys.executable, "-m"] or not command[2].startswith("syncd."):
        return _run(command, timeout=timeout, **named)
    ends, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ends)
        _module(command[2:], answer)
    os.close(answer)
    until = time.monotonic() + min(timeout or EXAMINATION, EXAMINATION)
    told = b""
    with os.fdopen(ends, "rb", buffering=0) as stream:
        while select.select([stream], [], [], max(0.0, until - time.monotonic()))[0]:
            if not (piece := stream.read(65_536)):
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                return subprocess.CompletedProcess(command, status, told.decode(), "")
            told += piece
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise subprocess.TimeoutExpired(command, EXAMINATION)


def _module(arguments: list[str], output: int) -> None:
    status = 1
    try:
        sys.argv = arguments
        sys.stdout = os.fdopen(output, "w")
        runpy.run_module(arguments[0], run_name="__main__")
        sys.stdout.flush()
        status = 0
    finally:
        os._exit(status)
