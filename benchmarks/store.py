"""What a document costs in an embedded knowledge base, beside Chroma alone, while the collection grows.

python -m benchmarks.store --sizes 10000 100000 500000 --folder grown
python -m benchmarks.store --draw

The knowledge base in the folder grows to each size and stays there, so that a run that was stopped goes on. At each
size it is copied twice: one copy is used through syncd, which also reads back what it wrote, the other one through
Chroma alone, with the same vectors, texts and metadata in the same index; by turns, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.store_figures import draw
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.connection import connect_embedded
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.model.fingerprint import fingerprint
from syncd.model.record import Chunk, Document, Fingerprint, Metadata, MetadataUpdate

NAME = "things"
DIMENSION = 384
CHARACTERS = 200
GROWTH = 1000

FIGURES = Path(__file__).parent.parent / "docs" / "benchmarks" / "store.json"

_WORDS = """
the parcel was late because rain closed a road north of town our customer asked for another delivery and liked how
quickly we answered two cups arrived broken one blue and one green so a refund was paid within three days
""".split()  # noqa: SIM905 - a text is easier to read
_CATEGORIES = ("drinks", "tools", "books", "garden", "toys", "music")


@dataclass(frozen=True)
class Batch:
    """Rows as they are written, prepared before the clock runs."""

    documents: Sequence[Document]
    vectors: npt.NDArray[np.float32]

    @property
    def ids(self) -> list[str]:
        """Return the documents' ids."""
        return [one.id for one in self.documents]

    @property
    def entries(self) -> list[str]:
        """Return the ids of their only chunks."""
        return [f"{one.id}#0" for one in self.documents]

    @property
    def texts(self) -> list[str]:
        """Return their texts."""
        return [one.chunks[0].text for one in self.documents]

    @property
    def metadatas(self) -> list[dict[str, Any]]:
        """Return their metadata."""
        return [dict(one.metadata) for one in self.documents]


def batch(keys: Sequence[int], content: int, metadata: int) -> Batch:
    """Make the rows of these keys, in a version of their texts and one of their metadata."""
    vectors = np.random.default_rng([keys[0], content]).standard_normal((len(keys), DIMENSION))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows = zip(keys, unit.tolist(), strict=True)
    return Batch([_document(key, tuple(vector), content, metadata) for key, vector in rows], unit)


def _document(key: int, vector: tuple[float, ...], content: int, metadata: int) -> Document:
    chance = random.Random(f"{key} {content}")
    text = f"order {key}: " + " ".join(chance.choices(_WORDS, k=CHARACTERS // 5))
    values: Metadata = {
        "category": _CATEGORIES[key % len(_CATEGORIES)],
        "price": key % 1000 / 10 + metadata,
        "stock": key % 977,
        "active": key % 3 > 0,
        "updated_at": f"2026-11-{key % 28 + 1:02}T10:{key % 60:02}:{metadata % 60:02}+00:00",
    }
    return Document(f"shop.orders:{key}", (Chunk(text, vector),), values, fingerprint(text, values))


class Syncd:
    """A knowledge base as a run uses it."""

    def __init__(self, folder: Path) -> None:
        self._kb = ChromaKnowledgeBase(NAME, ChromaOptions(path=str(folder)), "e:1", {"pid": str(os.getpid())})

    def insert(self, rows: Batch) -> None:
        """Write documents, held or not."""
        self._kb.upsert(rows.documents)
        self._acknowledge({one.id: one.fingerprint for one in rows.documents})

    update_content = insert

    def compare(self, rows: Batch) -> None:
        """Read what the documents were made from."""
        self._kb.fingerprints(rows.ids)

    def update_metadata(self, rows: Batch) -> None:
        """Replace metadata."""
        self._kb.update_metadata([MetadataUpdate(one.id, one.metadata, one.fingerprint) for one in rows.documents])
        self._acknowledge({one.id: one.fingerprint for one in rows.documents})

    def delete(self, rows: Batch) -> None:
        """Remove documents."""
        self._kb.delete(rows.ids)
        self._acknowledge(dict.fromkeys(rows.ids))

    def count(self) -> int:
        """Count the documents."""
        return self._kb.count()

    def close(self) -> None:
        """Let go of it."""
        self._kb.close()

    def _acknowledge(self, expected: dict[str, Fingerprint] | dict[str, None]) -> None:
        held = self._kb.fingerprints(list(expected))
        assert all(held.get(one) == print_ for one, print_ in expected.items()), "something was not kept"


class Chroma:
    """The same collection, used as Chroma's own client is used."""

    def __init__(self, folder: Path) -> None:
        from chromadb.api.models.Collection import Collection

        self._connection = connect_embedded(folder)
        [model] = self._connection.collections()
        self._collection = Collection(client=self._connection.api, model=model, embedding_function=None)

    def insert(self, rows: Batch) -> None:
        """Write documents, held or not."""
        self._collection.upsert(
            ids=rows.entries,
            embeddings=rows.vectors,
            documents=rows.texts,
            metadatas=rows.metadatas,
        )

    update_content = insert

    def compare(self, rows: Batch) -> None:
        """Read the metadata."""
        self._collection.get(ids=rows.entries, include=["metadatas"])

    def update_metadata(self, rows: Batch) -> None:
        """Replace metadata."""
        self._collection.update(ids=rows.entries, metadatas=rows.metadatas)

    def delete(self, rows: Batch) -> None:
        """Remove documents."""
        self._collection.delete(ids=rows.entries)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


Side = Syncd | Chroma
OPERATIONS: dict[str, Callable[[Side, Batch], None]] = {
    "first insert": lambda side, rows: side.insert(rows),
    "unchanged comparison": lambda side, rows: side.compare(rows),
    "content update": lambda side, rows: side.update_content(rows),
    "metadata update": lambda side, rows: side.update_metadata(rows),
    "delete": lambda side, rows: side.delete(rows),
}


def grow(folder: Path, size: int) -> None:
    """Let the knowledge base grow to so many documents, and close it in order."""
    store = Syncd(folder)
    try:
        for start in range(store.count(), size, GROWTH):
            store.insert(batch(range(start, min(start + GROWTH, size)), 0, 0))
            print(f"\r{start + GROWTH:,} of {size:,}", end="", flush=True)
    finally:
        store.close()
    print()


def measure(folder: Path, size: int, rounds: int, rows: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the milliseconds a document of each operation on each side: of the clock, and of all processors."""
    known = random.Random(size).sample(range(size), 2 * rounds * rows)
    seen: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with copies(folder) as sides:
        for number in range(rounds):
            some, others = (known[start * rows : (start + 1) * rows] for start in (number, rounds + number))
            new = range(size + number * rows, size + (number + 1) * rows)
            for what, made in {
                "first insert": batch(new, 0, 0),
                "unchanged comparison": batch(some, 0, 0),
                "content update": batch(some, 1, 0),
                "metadata update": batch(some, 1, 1),
                "delete": batch(others, 0, 0),
            }.items():
                for name, side in reversed(sides.items()) if number % 2 else sides.items():
                    seen.setdefault((what, name), []).append(timed(side, what, made))
    return {
        what: {
            name: dict(zip(("clock", "processors"), map(_median, zip(*seen[what, name], strict=True)), strict=True))
            for name in ("syncd", "chroma")
        }
        for what in OPERATIONS
    }


def timed(side: Side, what: str, rows: Batch) -> tuple[float, float]:
    """Return the milliseconds a document: of the clock, and of all processors."""
    clock, processors = time.perf_counter(), time.process_time()
    OPERATIONS[what](side, rows)
    each = 1000 / len(rows.documents)
    return (time.perf_counter() - clock) * each, (time.process_time() - processors) * each


@contextmanager
def copies(folder: Path) -> Iterator[dict[str, Side]]:
    """Open two copies of a knowledge base, and remove them in the end."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        one, other = Path(place) / "syncd", Path(place) / "chroma"
        shutil.copytree(folder, one)
        shutil.copytree(folder, other)
        sides: dict[str, Side] = {"syncd": Syncd(one), "chroma": Chroma(other)}
        try:
            yield sides
        finally:
            for side in sides.values():
                side.close()


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 4)


def main() -> None:
    """Grow, measure, and write down each size as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000], help="documents, the fewest first")
    parser.add_argument(
        "--folder", type=Path, default=Path("data/grown"), help="where the knowledge base grows and stays"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=250, help="documents of a round, in one call")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what was measured")
    given = parser.parse_args()
    if given.draw:
        draw(FIGURES)
        return
    for size in given.sizes:
        grow(given.folder, size)
        found = measure(given.folder, size, given.rounds, given.rows)
        known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {"sizes": {}}
        about = {
            "python": platform.python_version(),
            "chromadb": version("chromadb"),
            "processors": os.cpu_count(),
            "dimension": DIMENSION,
            "rounds": given.rounds,
            "rows": given.rows,
        }
        known["sizes"] = dict(
            sorted({**known["sizes"], str(size): {**about, "ms": found}}.items(), key=lambda it: int(it[0]))
        )
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        FIGURES.write_text(json.dumps(known, indent=1) + "\n")
        for what, sides in found.items():
            print(
                f"{size:>9,} {what:22}",
                *(f"{name} {ms['clock']:9.3f} {ms['processors']:9.3f}" for name, ms in sides.items()),
            )


if __name__ == "__main__":
    main()
