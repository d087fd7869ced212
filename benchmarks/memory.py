"""How much memory a first sync takes at most as tables grow, and a daemon that has nothing to do.

python -m benchmarks.memory --jobs 1,100,500 --json docs/performance/memory.json
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.place import Place

HASHING = "{type: hashing}"
SETTLED_SECONDS = 10


def first_sync(rows: int, store: str) -> dict[str, float]:
    """Sync a table of so many rows for the first time, by `syncd sync`, and return its peak."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place.make(Path(folder), jobs=1, rows=rows, store=store, embedder=HASHING)
        begun = time.perf_counter()
        process = subprocess.Popen(
            place.command("sync", "job0", "--json"), env=place.environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        told = process.stdout.read()
        # Unlike `Popen.wait` this tells the peak of just this process.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, told
        assert f'"embedded": {rows}' in told, told
        return {"rows": rows, "peak_mb": used.ru_maxrss / 1024, "seconds": time.perf_counter() - begun}


def idle_daemon(jobs: int) -> dict[str, float]:
    """Run a daemon whose jobs all wait, and return what it holds after a while."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place.make(Path(folder), jobs=jobs, rows=1, store="chroma", embedder=HASHING, later=True)
        process = subprocess.Popen(place.command("run"), env=place.environment, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            assert any("syncd is ready" in line for line in process.stderr), "the daemon did not start"
            time.sleep(SETTLED_SECONDS)
            status = Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.terminate()
            process.communicate()
        held = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert held is not None
        return {"jobs": jobs, "held_mb": int(held[1]) / 1024}


def table(rows: Sequence[dict[str, float]]) -> str:
    """Return figures as a table."""
    titles = list(rows[0])
    lines = [" ".join(f"{title:>12}" for title in titles)]
    return "\n".join([*lines, *(" ".join(f"{row[title]:>12,.0f}" for title in titles) for row in rows)])


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="10000,100000,1000000", help="with a store that keeps everything on disk")
    parser.add_argument("--chroma-rows", default="10000,50000,100000")
    parser.add_argument("--jobs", default="1,100")
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    report: dict[str, list[dict[str, float]]] = {}
    for title, wanted, measure in (
        ("first_sync_sqlite", given.rows, lambda rows: first_sync(rows, "sqlite")),
        ("first_sync_chroma", given.chroma_rows, lambda rows: first_sync(rows, "chroma")),
        ("idle_daemon", given.jobs, idle_daemon),
    ):
        report[title] = [measure(int(number)) for number in wanted.split(",") if number]
        if report[title]:
            print(f"{title}\n{table(report[title])}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
