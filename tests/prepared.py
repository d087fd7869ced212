"""Runs commands of syncd in processes of their own that have imported its libraries already: most of a start is that.

They are forked from a process that does nothing else, and go through the `main` of the installed program; how that is
found, imports and ends is seen where tests start the program itself.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    ["alembic.command", "chromadb", "pandas", "syncd.cli.checking", "syncd.cli.execution", "syncd.client"]
)


def run_syncd(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder to its end.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    command = ["syncd", *arguments]
    with tempfile.TemporaryDirectory() as name:
        out, err = Path(name, "out"), Path(name, "err")
        process = _FORKING.Process(target=_command, args=(command, str(folder), dict(environ), str(out), str(err)))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, seconds)
        return subprocess.CompletedProcess(command, process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


def _command(command: list[str], folder: str, environ: dict[str, str], out: str, err: str) -> None:
    from syncd.cli import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    for number, file in enumerate((os.devnull, out, err)):
        opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = command
    main()
