"""A writer of an embedded Chroma is killed with -9 again and again: is anything lost, what has to be embedded again?

python -m benchmarks.chroma_kills --kills 100 --seed 7
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from syncd.knowledge.chroma import ChromaKnowledgeBase, collection
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.model.record import Document, MetadataUpdate
from syncd.testing.documents import document, vector

NAME = "things"
PAGE = 500
PATIENCE = 120.0

Version = tuple[int, int, int]
"""Which text a document has, in how many chunks, and which metadata."""


@dataclass
class Expected:
    """What was acknowledged, and what was under way when the writer was killed."""

    held: dict[int, Version | None] = field(default_factory=dict)
    under_way: dict[int, Version | None] = field(default_factory=dict)


def made(key: int, version: Version) -> Document:
    """Return the document that a key has in a version."""
    text, chunks, metadata = version
    return document(str(key), [f"{key} version {text} chunk {n}" for n in range(chunks)], {"m": metadata})


def opened(folder: Path, threshold: int) -> ChromaKnowledgeBase:
    """Open the store so that Chroma writes its index after so many rows."""
    collection.ROWS_BETWEEN_WRITES = threshold
    return ChromaKnowledgeBase(NAME, ChromaOptions(path=str(folder)), "e:1", {"pid": "1"})


def write(folder: Path, threshold: int) -> None:
    """Be the writer: do what the lines on the standard input say, and acknowledge each."""
    store = opened(folder, threshold)
    print("open", flush=True)
    for line in sys.stdin:
        kind, changes = json.loads(line)
        match kind:
            case "upsert":
                store.upsert([made(key, version) for key, version in changes])
            case "update":
                parts = [made(key, version) for key, version in changes]
                store.update_metadata([MetadataUpdate(one.id, one.metadata, one.fingerprint) for one in parts])
            case "delete":
                store.delete([made(key, (0, 1, 0)).id for key, _ in changes])
        print("done", flush=True)


def mend(folder: Path, threshold: int) -> None:
    """Open the store after a kill, do what a sync would do, and tell what was found."""
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("syncd").addHandler(handler)
    state = json.load(sys.stdin)
    started = time.monotonic()
    store = opened(folder, threshold)
    seconds = time.monotonic() - started
    wanted = {int(key): (tuple(one) if one else None) for key, one in (state["held"] | state["under_way"]).items()}
    documents = {key: made(key, one) for key, one in wanted.items() if one is not None}
    gone = [made(key, (0, 1, 0)).id for key, one in wanted.items() if one is None]
    prints = store.fingerprints([one.id for one in documents.values()])
    stale = [key for key, one in documents.items() if prints.get(one.id) != one.fingerprint]
    acknowledged = [key for key in stale if str(key) not in state["under_way"]]
    for start in range(0, len(stale), PAGE):
        store.upsert([documents[key] for key in stale[start : start + PAGE]])
    store.delete(gone)
    answer = {
        "seconds": seconds,
        "healed": told,
        "documents": len(documents),
        "missing": len(acknowledged),
        "again": len(stale),
    } | judge(store, list(documents.values()))
    store.close()
    print(json.dumps(answer))


def judge(store: ChromaKnowledgeBase, documents: Sequence[Document]) -> dict[str, int]:
    """Compare every chunk with what it must be, and look for it by its own vector."""
    prints = store.fingerprints([one.id for one in documents])
    texts = {f"{one.id}#{n}": chunk.text for one in documents for n, chunk in enumerate(one.chunks)}
    held = store._collection.get(include=["documents", "embeddings"])
    wrong = [
        entry
        for entry, text, stored in zip(held["ids"], held["documents"], held["embeddings"], strict=True)
        if texts.get(entry) != text or not np.allclose(stored, vector(text), atol=1e-5)
    ]
    unreachable = 0
    for start in range(0, len(held["ids"]), PAGE):
        ids, vectors = held["ids"][start : start + PAGE], held["embeddings"][start : start + PAGE]
        near = store._collection.query(query_embeddings=vectors, n_results=5, include=["distances"])["ids"]
        unreachable += sum(entry not in found for entry, found in zip(ids, near, strict=True))
    lost = sum(prints.get(one.id) != one.fingerprint for one in documents)
    return {"lost": lost, "wrong": len(wrong), "unreachable": unreachable, "surplus": len(held["ids"]) - len(texts)}


@contextmanager
def child(role: str, folder: Path, threshold: int) -> Iterator[subprocess.Popen[str]]:
    """Run this program in another role."""
    command = [sys.executable, "-m", "benchmarks.chroma_kills", "--role", role, str(folder), str(threshold)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_once(folder: Path, threshold: int, expected: Expected, chance: random.Random, keys: int) -> None:
    """Let a writer work for a while and kill it, half of the time just when Chroma writes its index."""
    with child("write", folder, threshold) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n", "the writer did not open the store"
        for _ in range(chance.randrange(1, 7)):
            kind, changes = batch(expected, chance, keys)
            writer.stdin.write(json.dumps([kind, list(changes.items())]) + "\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "done\n", "the writer failed"
            expected.held.update(changes)
        kind, changes = batch(expected, chance, keys)
        expected.under_way = changes
        before = written(folder)
        writer.stdin.write(json.dumps([kind, list(changes.items())]) + "\n")
        writer.stdin.flush()
        end = time.monotonic() + chance.choice([chance.uniform(0, 0.2), 0.5])
        while time.monotonic() < end and written(folder) == before:
            time.sleep(0.0002)
        time.sleep(chance.choice([0, 0, chance.uniform(0, 0.02)]))
        writer.kill()
        writer.wait()


def written(folder: Path) -> float:
    """Tell when Chroma last wrote an index."""
    return max((file.stat().st_mtime_ns for file in folder.glob("*/header.bin")), default=0)


def batch(expected: Expected, chance: random.Random, keys: int) -> tuple[str, dict[int, Version | None]]:
    """Choose what to write next."""
    some = chance.sample(range(keys), chance.randrange(20, 300))
    known = {key: one for key in some if (one := expected.held.get(key)) is not None}
    match chance.randrange(10):
        case 0 if known:
            return "delete", dict.fromkeys(list(known)[:30])
        case 1 if known:
            return "update", {key: (one[0], one[1], one[2] + 1) for key, one in known.items()}
    number = chance.randrange(1 << 30)
    return "upsert", {key: (number, chance.choice([1, 1, 1, 3]), 0) for key in some}


def checked(folder: Path, threshold: int, expected: Expected) -> dict[str, Any]:
    """Open the store after a kill, in a process of its own."""
    with child("mend", folder, threshold) as process:
        answer, _ = process.communicate(json.dumps(vars(expected)), timeout=PATIENCE)
        assert process.returncode == 0, f"opening ended with {process.returncode}"
    expected.held.update(expected.under_way)
    expected.under_way = {}
    return dict(json.loads(answer))


def main() -> None:
    """Kill, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keys", type=int, default=4000, help="how many documents there are at most")
    parser.add_argument("--threshold", type=int, default=300, help="rows after which Chroma writes its index")
    parser.add_argument("--keep", type=Path, help="where copies of damaged stores are put")
    parser.add_argument("--role", nargs=3, metavar=("ROLE", "FOLDER", "THRESHOLD"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        role, folder, threshold = given.role
        {"write": write, "mend": mend}[role](Path(folder), int(threshold))
        return
    print(f"seed {given.seed}")
    chance = random.Random(given.seed)
    expected, sums, slowest = Expected(), Counter[str](), {"sound": 0.0, "healed": 0.0}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "kb"
        for number in range(given.kills):
            kill_once(folder, given.threshold, expected, chance, given.keys)
            found = checked(folder, given.threshold, expected)
            kind = "healed" if found["healed"] else "sound"
            slowest[kind] = max(slowest[kind], found["seconds"])
            sums[f"stores {kind}"] += 1
            for what in ("lost", "wrong", "surplus", "unreachable", "missing", "again"):
                sums[f"{kind}: {what}"] += found[what]
            sums[f"{kind}: documents"] += found["documents"]
            for line in found["healed"]:
                print(f"kill {number}: {line}; {found['missing']} acknowledged ones were missing")
            if found["healed"] and given.keep:
                [aside] = folder.parent.glob("kb.damaged-*")
                shutil.copytree(aside, given.keep / f"{given.seed}-{number}")
    print(json.dumps({**sums, "slowest opening": slowest}, indent=1))
    broken = [what for what, count in sums.items() if count and what.split(": ")[-1] in {"lost", "wrong", "surplus"}]
    sys.exit(f"broken: {broken}" if broken or sums["sound: missing"] else 0)


if __name__ == "__main__":
    main()
