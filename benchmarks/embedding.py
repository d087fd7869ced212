"""How fast each backend embeds, and how near its vectors are: `python -m benchmarks.embedding`.

Every way embeds the same texts in turns, so that a machine that is busy is busy for all of them; the figures are
medians of the rounds, as multiples of what `SentenceTransformer.encode` does with its defaults.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from syncd.embed.engines import CHOICES, ON_REQUEST, Choice
from syncd.embed.model_files import MINILM, model_folder
from syncd.embed.sentence_transformers import SentenceTransformerEmbedder, SentenceTransformerOptions
from syncd.errors import PermanentError
from syncd.ports import Vectors

_THINGS = (
    "kettle lamp jacket knife bottle speaker chair backpack tent helmet bicycle keyboard blanket mirror camera drill"
)
_KINDS = "steel oak leather cotton wool ceramic glass bamboo recycled waterproof wireless foldable vintage handmade"
_CLAIMS = (
    "It keeps its shape after {n} washes and dries within the hour.",
    "The {thing} comes with a warranty of {n} years and spare parts on request.",
    "Made of {kind} and {other}, it weighs {n} grams and fits into any bag.",
    "Customers praise how quiet it is; some wish that the cable were longer than {n} centimetres.",
    "Charge it overnight and it runs for {n} hours, even in cold weather.",
    "Designed for travel, the {kind} frame folds to {n} by {n} centimetres.",
    "Clean it with a damp cloth only, and never put the {thing} into the dishwasher.",
    "The surface of {kind} is treated with natural oil and can be repaired at home.",
    "Delivered in two parcels, assembled in {n} minutes without tools.",
    "A gift for children from {n} years, tested for safety and free of harmful substances.",
)


def product_texts(count: int, seed: int) -> list[str]:
    """Return descriptions of products, of about 10 to 250 tokens, no two alike."""
    chance = random.Random(seed)
    kinds, things = _KINDS.split(), _THINGS.split()

    def claim() -> str:
        kind, other = chance.sample(kinds, 2)
        return chance.choice(_CLAIMS).format(
            thing=chance.choice(things), kind=kind, other=other, n=chance.randint(2, 90)
        )

    return [
        f"{chance.choice(kinds).title()} {chance.choice(things)} no. {number}, {chance.choice(kinds)}. "
        + " ".join(claim() for _ in range(chance.randint(0, 12)))
        for number in range(count)
    ]


def main() -> None:
    """Measure, and print a table and JSON."""
    arguments = _arguments()
    logging.disable(logging.WARNING)
    print(f"seed {arguments.seed}: {arguments.texts} texts, {arguments.rounds} rounds", file=sys.stderr)
    texts = product_texts(arguments.corpus, arguments.seed)
    timed = texts[: arguments.texts]
    ways, faults = _ways(arguments.only)
    exact = ways["encode()"](texts)
    found: dict[str, dict[str, Any]] = {name: _nearness(way(texts), exact) for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(timed)
            seconds[name].append(time.perf_counter() - begun)
    for name, taken in seconds.items():
        ratios = [base / one for base, one in zip(seconds["encode()"], taken, strict=True)]
        found[name] |= {"ratio": statistics.median(ratios), "texts_per_second": len(timed) / statistics.median(taken)}
    _say(found, faults)
    print(json.dumps({"seed": arguments.seed, "texts": len(timed), "corpus": len(texts), "ways": found, "not": faults}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1000, help="how many are timed")
    parser.add_argument("--corpus", type=int, default=3000, help="among how many they are searched")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="ways whose names begin like this, such as openvino")
    return parser.parse_args()


def _ways(only: str) -> tuple[dict[str, Callable[[Sequence[str]], Vectors]], dict[str, str]]:
    """Return what embeds, the baseline first, and what does not, with the reason."""
    ways: dict[str, Callable[[Sequence[str]], Vectors]] = {"encode()": _baseline()}
    faults = {}
    for backend, precision in (*CHOICES, *ON_REQUEST):
        name = f"{backend} {precision}"
        if not name.startswith(only):
            continue
        try:
            ways[name] = _way((backend, precision))
        except PermanentError as error:
            faults[name] = str(error)
    return ways, faults


def _baseline() -> Callable[[Sequence[str]], Vectors]:
    from sentence_transformers import SentenceTransformer

    folder = model_folder(MINILM, None)
    assert folder is not None
    model = SentenceTransformer(str(folder.path), device="cpu")
    return lambda texts: np.asarray(model.encode(list(texts), show_progress_bar=False), dtype=np.float32)


def _way(choice: Choice) -> Callable[[Sequence[str]], Vectors]:
    backend, precision = choice
    embedder = SentenceTransformerEmbedder(
        SentenceTransformerOptions(device="cpu", backend=backend, precision=precision)
    )
    embedder.embed(["warm"])
    return embedder.embed


def _nearness(vectors: Vectors, exact: Vectors) -> dict[str, Any]:
    cosines = np.sum(vectors.astype(np.float64) * exact, axis=1)
    return {
        "cosine_least": float(cosines.min()),
        "cosine_mean": float(cosines.mean()),
        "recall_at_10": _recall(vectors, exact),
    }


def _recall(vectors: Vectors, exact: Vectors) -> float:
    """Return which share of each text's ten nearest is found again, searching with and among these vectors."""
    queries = slice(0, 500)
    true, found = (np.argsort(-(one[queries] @ one.T), axis=1)[:, 1:11] for one in (exact, vectors))
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(true, found, strict=True)]))


def _say(found: dict[str, dict[str, Any]], faults: dict[str, str]) -> None:
    print("| | times encode() | texts/s | least cosine | mean cosine | recall@10 |", file=sys.stderr)
    print("| --- | ---: | ---: | ---: | ---: | ---: |", file=sys.stderr)
    for name, one in found.items():
        print(
            f"| {name} | {one['ratio']:.1f} | {one['texts_per_second']:.0f} | {one['cosine_least']:.5f} "
            f"| {one['cosine_mean']:.5f} | {one['recall_at_10']:.3f} |",
            file=sys.stderr,
        )
    for name, reason in faults.items():
        print(f"{name}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
