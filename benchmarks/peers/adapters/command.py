"""What every adapter is asked, and answers, on the command line; needs nothing but Python."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

TABLE = "articles"
COUNTS = "BENCH_COUNTS"
REFUSED = "BENCH_REFUSED"
CHUNK_CHARACTERS, OVERLAP_CHARACTERS = 1000, 200
"""About what the model reads whole, and what guides to splitters repeat at the start of the next chunk."""


class Adapter:
    """A peer that keeps a store in step with the table `articles`.

    Args:
        database: the table's database, as a PostgreSQL URL.
        store: a folder for all that the peer keeps.
        model: the folder of the model.
    """

    def __init__(self, database: str, store: Path, model: Path) -> None:
        self.database = database
        self.store = store
        self.model = model

    def prepare(self, warm: bool) -> None:
        """Import what a sync needs; with `warm`, load the model too."""
        raise NotImplementedError

    def sync(self) -> None:
        """Bring the store into step, as a timer would have it done."""
        raise NotImplementedError

    def dump(self) -> Iterator[Mapping[str, Any]]:
        """Yield each chunk that the store holds: `key`, `text`, `category`, `price`, `vector`."""
        raise NotImplementedError

    def lose(self, keys: Sequence[int]) -> None:
        """Delete these rows' vectors from the store, behind the peer's back."""
        raise NotImplementedError

    def repair(self) -> None:
        """Mend whatever differs from the table, if the peer has a command for it."""
        raise SystemExit("there is no such command")


def main(make: Callable[[str, Path, Path], Adapter], libraries: Sequence[str]) -> None:
    """Do what the command line says; a sync writes how long it took as the last line of its output.

    Args:
        libraries: the packages whose versions matter.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["sync", "repair", "dump", "lose", "versions"])
    parser.add_argument("--db", default="")
    parser.add_argument("--store", type=Path, default=Path())
    parser.add_argument("--model", type=Path, default=Path())
    parser.add_argument("--keys", type=json.loads, default=[])
    parser.add_argument("--warm", action="store_true")
    asked = parser.parse_args()
    adapter = make(asked.db, asked.store, asked.model)
    match asked.command:
        case "versions":
            from importlib.metadata import version

            print(json.dumps({library: version(library) for library in libraries}))
        case "dump":
            for chunk in adapter.dump():
                print(json.dumps(chunk))
        case "lose":
            adapter.lose(asked.keys)
        case work:
            adapter.prepare(asked.warm)
            began = time.perf_counter()
            adapter.sync() if work == "sync" else adapter.repair()
            print(json.dumps({"seconds": time.perf_counter() - began}))


def count(texts: Sequence[str]) -> None:
    """Note how many texts are embedded, so that it is known of a process that is killed too.

    Raises:
        ValueError: the text that the model refuses is among them.
    """
    refused = os.environ.get(REFUSED)
    if refused and any(refused in text for text in texts):
        raise ValueError("the model refuses a text")
    with Path(os.environ[COUNTS]).open("a") as counts:
        counts.write(f"{len(texts)}\n")


def counted() -> None:
    """Have sentence-transformers count what it embeds, and refuse what it is told to refuse."""
    from sentence_transformers import SentenceTransformer

    encode = SentenceTransformer.encode

    @wraps(encode)
    def counting(self: Any, sentences: Any, *args: Any, **kwargs: Any) -> Any:
        texts = [sentences] if isinstance(sentences, str) else list(sentences)
        count(texts)
        return encode(self, sentences, *args, **kwargs)

    SentenceTransformer.encode = counting
