"""What a first sync gains by reading, embedding and writing side by side, and how near it is to what the stages allow.

python -m benchmarks.overlap --rows 3000 --embedder minilm

The same sync runs in turn and side by side, round after round. From the runs in turn come the seconds of each stage
alone and the processors' seconds of all of them; no order of the stages can be faster than the slowest of the three,
nor than all of the work shared among the processors.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from threading import Event
from typing import TypeVar
from unittest.mock import patch

from syncd import pipeline, writer
from syncd.attempt import Stop
from syncd.config.load import load
from syncd.config.settings import PartConfig
from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.jobs import JobService
from syncd.model.run import RunOptions
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.ports import Embedder, Vectors
from syncd.runner import LEASE_TTL, Runner
from syncd.state import State, owner_id
from syncd.triggers import Triggers, Wish

STAGES = {
    "reading and comparing": ("read", "compare"),
    "embedding": ("split", "embed"),
    "writing and committing": ("write", "commit"),
}

CONFIG = """
state: sqlite:///{folder}/state.db
databases: {{db: sqlite:///{table}}}
knowledge_bases:
  goods: {{type: chroma, path: {folder}/kb, embedder: {embedder}}}
jobs:
  copy: {{source_table: db.products, kb_name: goods, content_columns: [name, text], metadata_columns: [colour, price],
    filter_column: stamp, interval: 1 HOUR, window_rows: {window}}}
"""
EMBEDDERS = {"minilm": "{type: sentence-transformers}", "elsewhere": "{type: hashing, dimension: 384}"}
WORDS = ("light", "strong", "bottle", "lamp", "green", "oak", "handle", "soft", "cotton", "steel", "window", "kitchen")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class Elsewhere:
    """An embedder on another machine: it takes time, and nothing of this machine's processors.

    Args:
        rate: texts a second.
    """

    embedder: HashingEmbedder
    rate: float

    @property
    def fingerprint(self) -> str:
        """Name everything that decides the vectors."""
        return self.embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        """The longest text that is read whole."""
        return self.embedder.max_tokens

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Count each text's tokens."""
        return self.embedder.count_tokens(texts)

    def embed(self, texts: list[str]) -> Vectors:
        """Return one vector for each text, after the time that takes."""
        vectors = self.embedder.embed(texts)
        Event().wait(len(texts) / self.rate)
        return vectors


class _Plugins(Plugins):
    def __init__(self, rate: float | None) -> None:
        super().__init__([])
        self._rate = rate

    def embedder(self, config: PartConfig) -> Embedder:
        if self._rate is None:
            return super().embedder(config)
        elsewhere: Embedder = Elsewhere(HashingEmbedder(HashingOptions(dimension=384)), self._rate)  # type: ignore[assignment]
        return elsewhere


@dataclass(frozen=True, slots=True)
class Timed:
    """How long a sync took: in all, on the processors, and in each stage, in seconds."""

    wall: float
    processors: float
    stages: dict[str, float]


def main() -> int:
    """Run the rounds, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=int, default=20_000, help="rows of a window")
    parser.add_argument("--embedder", choices=EMBEDDERS, default="minilm")
    parser.add_argument("--rate", type=float, default=1000, help="texts a second of the embedder elsewhere")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.getLogger("syncd").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="syncd-overlap-") as name:
        table = Path(name) / "table.db"
        fill(table, options.rows, options.seed)
        plugins = _Plugins(options.rate if options.embedder == "elsewhere" else None)
        in_turn, beside = [], []
        # The first one loads the model.
        sync(Path(name) / "warm", table, plugins, options)
        for number in range(options.rounds):
            with _in_turn():
                in_turn.append(sync(Path(name) / f"{number}-turn", table, plugins, options))
            beside.append(sync(Path(name) / f"{number}-beside", table, plugins, options))
    found = judged(in_turn, beside, options.rows) | {"rows": options.rows, "seed": options.seed}
    print(
        json.dumps(found, indent=2) if options.json else "\n".join(f"{key:45} {value}" for key, value in found.items())
    )
    return 0


def fill(table: Path, rows: int, seed: int) -> None:
    """Make a table of product texts of some 10 to 60 words."""
    rng = random.Random(seed)
    with closing(sqlite3.connect(table)) as database, database:
        database.execute("CREATE TABLE products (id INTEGER PRIMARY KEY, name, text, colour, price REAL, stamp INT)")
        database.execute("CREATE INDEX products_stamp ON products (stamp, id)")
        database.executemany(
            "INSERT INTO products VALUES (?, ?, ?, ?, ?, ?)",
            (
                (n, f"product {n}", " ".join(rng.choices(WORDS, k=rng.randint(10, 60))), rng.choice(WORDS), n / 7, n)
                for n in range(rows)
            ),
        )


def sync(folder: Path, table: Path, plugins: Plugins, options: argparse.Namespace) -> Timed:
    """Run a first sync into a new folder."""
    folder.mkdir()
    config = folder / "syncd.yaml"
    config.write_text(
        CONFIG.format(folder=folder, table=table, embedder=EMBEDDERS[options.embedder], window=options.window)
    )
    settings = load(config, {}, plugins.options_for)
    state = State.open(settings.state.get_secret_value())
    JobService(state, _now).reconcile(settings.jobs)
    parts = Parts(settings, plugins, {"role": "benchmark"})
    with parts.target("goods") as target:
        target.embedder.embed(["one text", "and another one"])
        run = Triggers(state, _now).ask(state.jobs.get("copy"), Wish(RunOptions()))
        claimed = state.leases.claim(owner_id(), _now(), LEASE_TTL, run.number)
        assert claimed is not None
        wall, processors = time.perf_counter(), time.process_time()
        ended = Runner(state, parts, _now).execute(*claimed, Stop())
        timed = Timed(time.perf_counter() - wall, time.process_time() - processors, dict(ended.stages))
    parts.close()
    state.close()
    assert (str(ended.status), ended.counts.embedded) == ("completed", options.rows), ended
    return timed


def judged(in_turn: list[Timed], beside: list[Timed], rows: int) -> dict[str, object]:
    """Return what the runs in turn allow, and what the runs side by side reached, in medians."""
    alone = {
        name: median(sum(run.stages.get(stage, 0.0) for stage in stages) for run in in_turn)
        for name, stages in STAGES.items()
    }
    cores = len(os.sched_getaffinity(0))
    shared = median(run.processors for run in in_turn) / cores
    limit = max(*alone.values(), shared)
    turn, side = median(run.wall for run in in_turn), median(run.wall for run in beside)
    return {
        **{f"rows/s {name} alone": round(rows / seconds, 1) for name, seconds in alone.items()},
        f"rows/s of all work on {cores} processors": round(rows / shared, 1),
        "rows/s in turn": round(rows / turn, 1),
        "rows/s side by side": round(rows / side, 1),
        "gain": round(turn / side, 3),
        "share of the limit": round(limit / side, 3),
    }


@contextmanager
def _in_turn() -> Iterator[None]:
    def in_turn(make: Callable[[T], R], items: Iterable[T], _threads: int) -> nullcontext[Iterator[R]]:
        return nullcontext(map(make, items))

    with patch.object(pipeline, "ahead", nullcontext), patch.object(writer, "made_ahead", in_turn):
        yield


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
