"""What requests side by side are worth on a server that takes its time, and what base64 saves.

python -m benchmarks.http_embedder --delay 0.05 --concurrency 4
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from syncd.embed.openai.answer import vectors_of
from tests.embedding_server import embedding_server

TEXTS = [f"text number {number} of a table whose rows are sentences" for number in range(256)]
NUMBERS = 1536
BATCH = 32


def main() -> int:
    """Measure both, alternating inside each round, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.05, help="how many seconds the server takes for a request")
    parser.add_argument("--concurrency", type=int, default=4, help="how many requests at once, beside one")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(f"{len(TEXTS)} texts in requests of {BATCH}, each answered {options.delay:g} s after it came:")
    with embedding_server() as server:
        server.before = lambda _: time.sleep(options.delay)
        embedders = {n: server.embedder(concurrency=n, batch_texts=BATCH) for n in (1, options.concurrency)}
        took = _alternating(
            {f"concurrency {n}": lambda made=made: made.embed(TEXTS) for n, made in embedders.items()},  # type: ignore[misc]
            options.rounds,
        )
    _tell(took, len(TEXTS), "texts/s")
    print(f"reading an answer of {BATCH} vectors of {NUMBERS} numbers:")
    vectors = np.random.default_rng(1).normal(size=(BATCH, NUMBERS)).astype(np.float32)
    answers = {
        "float": _answer([vector.tolist() for vector in vectors]),
        "base64": _answer([base64.b64encode(vector.tobytes()).decode() for vector in vectors]),
    }
    took = _alternating(
        {
            f"{name}, {len(answer):,} bytes": lambda answer=answer: vectors_of(answer, BATCH, "here")  # type: ignore[misc]
            for name, answer in answers.items()
        },
        options.rounds,
    )
    _tell(took, BATCH, "vectors/s")
    return 0


def _answer(embeddings: list[object]) -> bytes:
    return json.dumps({"data": [{"index": n, "embedding": one} for n, one in enumerate(embeddings)]}).encode()


def _alternating(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            took[name].append(time.perf_counter() - begun)
    return took


def _tell(took: dict[str, list[float]], count: int, unit: str) -> None:
    first = next(iter(took.values()))
    for name, seconds in took.items():
        ratio = median(one / other for one, other in zip(first, seconds, strict=True))
        print(f"  {name:26} {count / median(seconds):>12,.0f} {unit:10} {ratio:6.2f} times the first")


if __name__ == "__main__":
    sys.exit(main())
