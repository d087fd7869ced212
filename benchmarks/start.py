"""How long `syncd --help` and `syncd check` take, and a daemon from its start to its first yes on /readyz.

python -m benchmarks.start --repeats 10 --json docs/performance/start.json
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

import syncd
from benchmarks.place import Place

HASHING = "{type: hashing}"
MINILM = "{type: sentence-transformers, model: all-MiniLM-L6-v2}"
JOBS = 20
PATIENCE = 60.0


@dataclass(frozen=True)
class Figures:
    """Medians of one kind of start.

    Args:
        seconds: by the clock on the wall.
        cpu_seconds: what the process computed, which other work on the machine does not lengthen as much.
    """

    what: str
    seconds: float
    cpu_seconds: float


def command(place: Place, *arguments: str) -> tuple[float, float]:
    """Run a command to its end; return its seconds, and those of its processor time."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        place.command(*arguments), env=place.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime


def daemon(place: Place) -> tuple[float, float]:
    """Start a daemon, and end it once it is ready; return the seconds until then, and those of its processor time."""
    begun = time.perf_counter()
    process = subprocess.Popen(place.command("run"), env=place.environment, stderr=subprocess.DEVNULL)
    try:
        while not _is_ready(place.port):
            assert process.poll() is None, "the daemon ended"
            assert time.perf_counter() - begun < PATIENCE, "the daemon was not ready in time"
        seconds = time.perf_counter() - begun
        user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
        return seconds, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).is_success
    except httpx.TransportError:
        time.sleep(0.01)
        return False


def medians(what: str, repeats: int, measure: Callable[[], tuple[float, float]]) -> Figures:
    """Measure some times, after one time that fills the caches, and print the medians."""
    measure()
    took: Sequence[tuple[float, float]] = [measure() for _ in range(repeats)]
    seconds, cpu_seconds = (statistics.median(column) for column in zip(*took, strict=True))
    print(f"{what:<50} {seconds:>6.2f} s {cpu_seconds:>6.2f} s of processor time", flush=True)
    return Figures(what, seconds, cpu_seconds)


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    # An installation by pip comes with its bytecode, a checkout need not have it.
    compileall.compile_dir(Path(syncd.__file__).parent, quiet=1)
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("one", "many"):
            (folder / part).mkdir()
        one = Place.make(folder / "one", jobs=1, rows=1000, store="chroma", embedder=HASHING)
        found.append(medians("syncd --help", given.repeats, lambda: command(one, "--help")))
        found.append(medians("syncd check, before the first run", given.repeats, lambda: command(one, "check")))
        command(one, "sync", "--all")
        found.append(medians("syncd check, after the first run", given.repeats, lambda: command(one, "check")))
        many = Place.make(folder / "many", jobs=JOBS, rows=1000, store="chroma", embedder=MINILM, later=True)
        found.append(medians(f"the daemon, {JOBS} jobs that wait", given.repeats, lambda: daemon(many)))
    if given.json:
        given.json.write_text(json.dumps([asdict(figures) for figures in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
