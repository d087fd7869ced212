"""Runs a peer's adapter as a process: how long it takes, how much memory, and how many texts it embeds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.peers.adapters.command import COUNTS, REFUSED
from benchmarks.peers.oracle import Chunk

ROOT = Path(__file__).parents[2]
LOOK_SECONDS = 0.1
KILL_SECONDS = 0.02
"""Between two looks at a process that is measured, and at one that is to be killed in time. A look takes a fiftieth of
the first, on a processor that a peer may be using."""
RUN_SECONDS = 600
LINE_CHARACTERS = 200
_FOLDERS = re.compile(r"(?:/[\w.+-]+)+/")
_QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "LANGSMITH_TRACING": "false",
    "COCOINDEX_DISABLE_USAGE_TRACKING": "1",
    "DO_NOT_TRACK": "1",
    # The model lies here, and a hub that does not answer would be waited for.
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Unreadable(Exception):
    """A store cannot be read any more; says the last line of what its client wrote."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a peer took.

    Args:
        process_seconds: from its start to its end, as whoever has a timer start it pays.
        seconds: once its libraries were there; None when it was killed or failed.
        embedded: how many texts the model was asked for.
        megabytes: the most memory that the process and its children held at one look.
        error: the last line that it wrote when it failed.
    """

    process_seconds: float
    seconds: float | None
    embedded: int
    megabytes: float
    error: str | None


class Peer:
    """A peer with a store in a folder of its own.

    Args:
        name: the adapter's.
        python: the interpreter of its environment.
        folder: where its store is, and where another is kept.
        database: the table's, as a PostgreSQL URL.
        model: the model's folder.
    """

    def __init__(self, name: str, python: Path, folder: Path, database: str, model: Path) -> None:
        self.name = name
        self._python = python
        self._folder = folder
        self._store, self._kept = folder / "store", folder / "kept"
        self._where = ["--db", database, "--store", str(self._store), "--model", str(model)]
        self.environment = {**os.environ, **_QUIET, "PYTHONPATH": str(ROOT)}

    def forget(self) -> None:
        """Begin with an empty store."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._store.mkdir(parents=True)

    def keep(self) -> None:
        """Remember the store as it is."""
        shutil.copytree(self._store, self._kept)

    def restore(self) -> None:
        """Make the store what it was when it was kept, in the same place."""
        shutil.rmtree(self._store)
        shutil.copytree(self._kept, self._store)

    def sync(self, *, warm: bool = False, refused: str = "", kill_after: int | None = None) -> Run:
        """Have it sync once.

        Args:
            warm: with the model loaded before the clock starts.
            refused: the model refuses texts in which this stands.
            kill_after: end it by SIGKILL when the model was asked for so many texts.
        """
        return self._measured("sync", ["--warm"] if warm else [], refused, kill_after)

    def repair(self) -> Run:
        """Have it mend whatever differs."""
        return self._measured("repair", [], "", None)

    def lose(self, keys: Sequence[int]) -> None:
        """Delete these rows' vectors behind its back."""
        self._command("lose", "--keys", json.dumps(list(keys)))

    def held(self) -> list[Chunk]:
        """Return all that its store holds.

        Raises:
            Unreadable: the store's own client cannot read it.
        """
        return [Chunk(**json.loads(line)) for line in self._command("dump").splitlines()]

    def _measured(self, command: str, more: Sequence[str], refused: str, kill_after: int | None) -> Run:
        counts, output, errors = (self._folder / name for name in ("counts", "output", "errors"))
        counts.write_text("")
        given = {COUNTS: str(counts)} | ({REFUSED: refused} if refused else {})
        began = time.perf_counter()
        with output.open("w") as out, errors.open("w") as err:
            process = subprocess.Popen(
                self._line(command, *more), stdout=out, stderr=err, cwd=self._store, env=self.environment | given
            )
            megabytes = _watch(process, counts, kill_after)
        took = time.perf_counter() - began
        told = _told(output.read_text()) if process.returncode == 0 else {}
        error = None
        if process.returncode != 0:
            error = "killed" if process.returncode < 0 else _last_line(errors.read_text())
        return Run(took, told.get("seconds"), _embedded(counts), megabytes, error)

    def _command(self, command: str, *more: str) -> str:
        done = subprocess.run(
            self._line(command, *more),
            capture_output=True,
            text=True,
            cwd=self._store,
            env=self.environment,
            timeout=RUN_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Unreadable(_last_line(done.stderr))
        return done.stdout

    def _line(self, command: str, *more: str) -> list[str]:
        return [str(self._python), "-m", f"benchmarks.peers.adapters.{self.name}", command, *self._where, *more]


def _watch(process: subprocess.Popen[bytes], counts: Path, kill_after: int | None) -> float:
    """Wait for the end of a process, or bring it about; return the most megabytes that it and its children held."""
    most = 0.0
    until = time.monotonic() + RUN_SECONDS
    tree = psutil.Process(process.pid)
    while True:
        try:
            process.wait(LOOK_SECONDS if kill_after is None else KILL_SECONDS)
            return most
        except subprocess.TimeoutExpired:
            most = max(most, _megabytes(tree))
        if time.monotonic() > until or (kill_after is not None and _embedded(counts) >= kill_after):
            _kill(tree)


def _tree(top: psutil.Process) -> list[psutil.Process]:
    try:
        return [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        return []


def _megabytes(top: psutil.Process) -> float:
    total = 0
    for process in _tree(top):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def _kill(top: psutil.Process) -> None:
    for process in _tree(top):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _embedded(counts: Path) -> int:
    return sum(int(line) for line in counts.read_text().split())


def _last_line(text: str) -> str:
    """Return how the last line of what was written begins, without the folders of this machine."""
    return _FOLDERS.sub("", (text.strip().splitlines() or ["it said nothing"])[-1])[:LINE_CHARACTERS]


def _told(output: str) -> Mapping[str, Any]:
    told: Mapping[str, Any] = json.loads(output.strip().splitlines()[-1])
    return told
