"""Many clients at once make, list, read, trigger and delete jobs of a daemon that runs them: does it stay right?

python -m benchmarks.api_load --clients 200 --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx

TABLES = 100
ROWS = 200
READY = "syncd is ready"
SAMPLE_SECONDS = 0.5
READS = frozenset({"list jobs", "read job", "list runs", "read run"})
_MIX = {
    "list jobs": 15,
    "read job": 30,
    "list runs": 10,
    "read run": 10,
    "trigger": 20,
    "create": 10,
    "delete": 5,
}


@dataclass
class Report:
    """What happened.

    Args:
        took: seconds of each answer, by what was asked.
        statuses: how often each status was answered, by what was asked.
        healthz: seconds of each answer of /healthz, asked by a process that does nothing else.
        broken: every promise that was not kept.
    """

    seconds: float = 0
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    healthz: list[float] = field(default_factory=list)
    runs: int = 0
    samples: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def server_errors(self) -> int:
        """How many answers were 5xx."""
        return sum(n for counter in self.statuses.values() for status, n in counter.items() if status >= 500)

    @property
    def unexpected(self) -> dict[str, dict[int, int]]:
        """Which other answers than success, conflict and not found there were."""
        found = {
            kind: {s: n for s, n in counts.items() if s >= 300 and s not in {404, 409}}
            for kind, counts in self.statuses.items()
        }
        return {kind: counts for kind, counts in found.items() if counts}

    def lines(self) -> Iterator[str]:
        """Tell it as a table."""
        total = sum(map(len, self.took.values()))
        yield f"{total} requests in {self.seconds:.1f} s, {total / self.seconds:.0f} a second; {self.runs} runs ended"
        yield f"{'ms':<10} {'count':>7} {'p50':>7} {'p95':>7} {'p99':>7} {'most':>7}  answers"
        rows = [*sorted(self.took.items()), ("all reads", [t for kind in READS for t in self.took[kind]])]
        for kind, took in rows:
            answers = " ".join(f"{status}:{n}" for status, n in sorted(self.statuses.get(kind, {}).items()))
            yield f"{kind:<10} {_spread(took)}  {answers}"
        yield f"{'healthz':<10} {_spread(self.healthz)}"
        yield f"5xx: {self.server_errors}, other unexpected answers: {self.unexpected or 0}"
        yield f"promises broken: {self.broken or 0} ({self.samples} samples, and the whole history)"


def _spread(took: Sequence[float]) -> str:
    ordered = sorted(took) or [0.0]
    marks = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99, 1)]
    return " ".join([f"{len(took):>7}", *(f"{mark * 1000:>7.0f}" for mark in marks)])


@dataclass(frozen=True)
class Daemon:
    """A daemon that is running.

    Args:
        url: where it answers.
        state: the file of its state.
    """

    url: str
    state: Path


@contextmanager
def daemon(folder: Path) -> Iterator[Daemon]:
    """Run a daemon on a fresh configuration in this folder while the block runs."""
    with closing(sqlite3.connect(folder / "shop.db")) as shop, shop:
        for table in range(TABLES):
            shop.execute(f"CREATE TABLE t{table} (id INTEGER PRIMARY KEY, body TEXT, changed INTEGER)")
            rows = ((n, f"row {n} of table {table}", n) for n in range(ROWS))
            shop.executemany(f"INSERT INTO t{table} VALUES (?, ?, ?)", rows)
    config = folder / "syncd.yaml"
    config.write_text(f"""
state: sqlite:///{folder}/state.db
databases: {{shop: "sqlite:///{folder}/shop.db"}}
knowledge_bases:
  shop_kb: {{type: chroma, path: {folder}/kb, embedder: {{type: hashing}}}}
limits: {{max_active_jobs: {TABLES * 2}}}
server: {{port: 0}}
""")
    log = folder / "log"
    with log.open("w") as told:
        process = subprocess.Popen([sys.executable, "-m", "syncd", "run", "--config", str(config)], stderr=told)
    try:
        yield Daemon(_url(log, process), folder / "state.db")
    finally:
        process.terminate()
        process.wait(30)


def _url(log: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        for line in log.read_text().splitlines():
            if READY in line:
                return str(json.loads(line)["message"]).rpartition(", ")[2]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the daemon did not start:\n{log.read_text()}")


class Load:
    """Clients that ask until the time is over.

    Args:
        daemon: whom they ask.
        clients: how many ask at once.
        seconds: for how long.
        seed: what they ask for depends on it.
    """

    def __init__(self, daemon: Daemon, clients: int, seconds: float, seed: int) -> None:
        self._daemon = daemon
        self._clients = clients
        self._seconds = seconds
        self._random = random.Random(seed)
        self._asked: Counter[str] = Counter()
        self._living: Counter[str] = Counter()
        self._runs: list[str] = ["run_1"]
        self.report = Report()

    async def run(self) -> Report:
        """Ask, watch, and check what is left."""
        url = self._daemon.url
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            async with self._client() as client:
                await self._prepare(client)
                began = time.monotonic()
                until = began + self._seconds
                probe = asyncio.get_running_loop().run_in_executor(other, probed, url, self._seconds)
                await asyncio.gather(self._watch(until), *(self._ask(until) for _ in range(self._clients)))
                self.report.seconds = time.monotonic() - began
                names = await self._names(client)
            self.report.healthz = await probe
        for name, number in self._living.items():
            if number != names.count(name):
                self.report.broken.append(
                    f"{name} was made {number} times more than deleted, and is there {names.count(name)} times"
                )
        self._check_history()
        return self.report

    def _client(self) -> httpx.AsyncClient:
        # A connection for each, as clients on different machines have; no certificates are read for plain HTTP.
        no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.AsyncClient(base_url=self._daemon.url, timeout=60, trust_env=False, verify=no_tls)

    async def _ask(self, until: float) -> None:
        kinds, weights = list(_MIX), list(_MIX.values())
        async with self._client() as client:
            while time.monotonic() < until:
                [kind] = self._random.choices(kinds, weights)
                number = self._random.randrange(TABLES)
                method, path, body = self._request(kind, number)
                began = time.perf_counter()
                try:
                    answer = await client.request(method, path, json=body)
                except httpx.TransportError as error:
                    took = time.perf_counter() - began
                    self.report.broken.append(f"{method} {path} was cut off after {took:.1f} s: {error!r}")
                    continue
                self.report.took[kind].append(time.perf_counter() - began)
                self.report.statuses[kind][answer.status_code] += 1
                if answer.status_code == 201 and kind == "trigger":
                    self._runs.append(answer.json()["id"])
                elif answer.is_success and kind in {"create", "delete"}:
                    self._living[f"job{number}"] += 1 if kind == "create" else -1

    async def _prepare(self, client: httpx.AsyncClient) -> None:
        """Make every other job, so that there is something to ask for from the start."""
        for number in range(0, TABLES, 2):
            method, path, body = self._request("create", number)
            (await client.request(method, path, json=body)).raise_for_status()
            self._living[f"job{number}"] += 1

    def _request(self, kind: str, number: int) -> tuple[str, str, object]:
        name = f"job{number}"
        match kind:
            case "list jobs":
                return "GET", "/v1/jobs?limit=100", None
            case "read job":
                return "GET", f"/v1/jobs/{name}", None
            case "list runs":
                return "GET", "/v1/runs?limit=100", None
            case "read run":
                return "GET", f"/v1/runs/{self._random.choice(self._runs)}", None
            case "trigger":
                return "POST", f"/v1/jobs/{name}/trigger", {"full_refresh": self._random.random() < 0.2}
            case "delete":
                return "DELETE", f"/v1/jobs/{name}", None
            case _:
                return "POST", "/v1/jobs", {
                    "name": name,
                    "source_table": f"shop.t{number}",
                    "kb_name": "shop_kb",
                    "content_columns": ["body"],
                    "filter_column": "changed",
                    "interval": "1 DAY",
                }  # fmt: skip

    async def _names(self, client: httpx.AsyncClient) -> list[str]:
        names: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await client.get("/v1/jobs", params={"limit": "100", **cursor})).json()
            names += [job["name"] for job in page["data"]]
            if not page["has_more"]:
                return names
            cursor = {"cursor": page["next_cursor"]}

    async def _watch(self, until: float) -> None:
        """Look into the state now and then: one run of a job goes on at most, and one plain one waits."""
        while time.monotonic() < until:
            rows = await asyncio.to_thread(
                self._rows,
                "SELECT job_id, status IN ('running', 'canceling') AS going, count(*) FROM runs "
                "WHERE status IN ('running', 'canceling') OR (plain AND status IN ('delayed', 'queued', 'waiting')) "
                "GROUP BY job_id, going",
            )
            self.report.broken += [
                f"{n} runs of job {job} {'go on' if going else 'wait'}" for job, going, n in rows if n > 1
            ]
            self.report.samples += 1
            await asyncio.sleep(SAMPLE_SECONDS)

    def _check_history(self) -> None:
        rows = self._rows(
            "SELECT job_id, number, started_at, finished_at FROM runs WHERE started_at IS NOT NULL "
            "ORDER BY job_id, started_at, number"
        )
        for (job, first, _, ended), (other, second, started, _) in pairwise(rows):
            if job == other and (ended is None or ended > started):
                self.report.broken.append(f"run {second} of job {job} began before run {first} ended")
        self.report.runs = sum(1 for *_, ended in rows if ended is not None)
        names = self._rows("SELECT name, count(*) FROM jobs WHERE deleted IS NULL GROUP BY name HAVING count(*) > 1")
        self.report.broken += [f"{n} jobs are called {name}" for name, n in names]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self._daemon.state}?mode=ro", uri=True, timeout=30)) as state:
            return state.execute(query).fetchall()


def probed(url: str, seconds: float) -> list[float]:
    """Ask /healthz again and again, and return how long each answer took, in seconds."""
    took = []
    until = time.monotonic() + seconds
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        client.get("/healthz")
        while time.monotonic() < until:
            began = time.perf_counter()
            client.get("/healthz").raise_for_status()
            took.append(time.perf_counter() - began)
            time.sleep(0.02)
    return took


def measured(folder: Path, clients: int, seconds: float, seed: int = 1) -> Report:
    """Load a daemon that is started in this folder, and tell what happened."""
    with daemon(folder) as running:
        return asyncio.run(Load(running, clients, seconds, seed).run())


def main() -> int:
    """Run it from the command line; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measured(Path(folder), given.clients, given.seconds, given.seed)
    print("\n".join(report.lines()))
    return 1 if report.broken or report.server_errors or report.unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
