"""The judge of the benchmarks finds what is wrong with a store that is wrong on purpose, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest

from benchmarks.peers.oracle import Chunk, Row, Vectors, judge
from syncd.embed.hashing import HashingEmbedder

ROWS = {
    1: Row("Amber is warm. Basalt is dark.", "stones", 1.5),
    2: Row("Cedar smells of summer.", "trees", 2.5),
}


def _embed(texts: Sequence[str]) -> Vectors:
    return HashingEmbedder(HashingEmbedder.Options()).embed(texts)


def _chunk(key: int, text: str, vector_of: str | None = None) -> Chunk:
    row = ROWS.get(key, ROWS[1])
    return Chunk(key, text, row.category, row.price, tuple(_embed([vector_of or text])[0]))


FIRST, SECOND, CEDAR = _chunk(1, "Amber is warm."), _chunk(1, "Basalt is dark."), _chunk(2, ROWS[2].text)
RIGHT = [FIRST, SECOND, CEDAR]


@pytest.mark.parametrize(
    "held",
    [
        RIGHT,
        [_chunk(1, ROWS[1].text), CEDAR],
        [FIRST, _chunk(1, "warm. Basalt is dark."), CEDAR],
        [FIRST, SECOND, _chunk(2, "Cedar smells\nof  summer.")],
        [_chunk(1, "Amber is warm"), SECOND, CEDAR],
        [_chunk(1, "Amber is warm. Basalt"), _chunk(1, "is"), _chunk(1, "dark."), CEDAR],
        [_chunk(1, "Amber"), _chunk(1, "is"), _chunk(1, "warm. Basalt"), _chunk(1, "is"), _chunk(1, "dark."), CEDAR],
    ],
    ids=[
        "as chunks",
        "whole",
        "with an overlap",
        "with other white space",
        "without a full stop",
        "with a piece that is also elsewhere",
        "with a piece that is there twice",
    ],
)
def test_a_store_in_step_is_right(held: list[Chunk]) -> None:
    """However texts were split."""
    assert judge(ROWS, held, _embed).wrong == 0


@pytest.mark.parametrize(
    ("held", "kind", "key"),
    [
        ([FIRST, SECOND], "missing", 2),
        ([FIRST, CEDAR], "missing", 1),
        ([*RIGHT, _chunk(3, "Nobody knows me.")], "orphaned", 3),
        ([_chunk(1, "Amber is warm. asalt is dark."), CEDAR], "stale", 1),
        ([_chunk(1, "Amber is warm."), _chunk(1, "asalt is dark."), CEDAR], "missing", 1),
        ([_chunk(1, "Amber"), _chunk(1, "is"), _chunk(1, "warm. Basalt"), _chunk(1, "dark."), CEDAR], "missing", 1),
        ([*RIGHT, CEDAR], "duplicated", 2),
        ([*RIGHT, _chunk(1, "Copper is red.")], "stale", 1),
        ([FIRST, SECOND, _chunk(2, "Cedar smells of winter.")], "stale", 2),
        ([FIRST, SECOND, replace(CEDAR, category="herbs")], "stale", 2),
        ([FIRST, SECOND, replace(CEDAR, price=None)], "stale", 2),
        ([FIRST, SECOND, replace(CEDAR, vector=None)], "stale", 2),
        ([FIRST, SECOND, replace(CEDAR, vector=[0.0] * len(CEDAR.vector or ()))], "stale", 2),
        ([FIRST, SECOND, replace(CEDAR, vector=[np.nan] * len(CEDAR.vector or ()))], "stale", 2),
        ([FIRST, SECOND, _chunk(2, ROWS[2].text, vector_of="Copper is red.")], "stale", 2),
    ],
    ids=[
        "a row",
        "a chunk",
        "an orphan",
        "a letter inside",
        "a letter between",
        "one of two pieces that are equal",
        "a double",
        "an old tail",
        "an old text",
        "old metadata",
        "no metadata",
        "no vector",
        "zeros",
        "no numbers",
        "another's vector",
    ],
)
def test_each_fault_is_found_alone(held: list[Chunk], kind: str, key: int) -> None:
    """The row is named under its kind, and no other row is."""
    found = {name: keys for name, keys in asdict(judge(ROWS, held, _embed)).items() if keys}
    assert found == {kind: (key,)}


def test_an_empty_store_lacks_every_row() -> None:
    """Nothing is asked of the model."""
    assert judge({**ROWS, 3: Row("...", "signs", 3.5)}, [], _embed).missing == (1, 2, 3)


def test_a_row_that_is_excused_is_not_judged() -> None:
    """It may be missing, or be held as it was."""
    assert judge(ROWS, [FIRST, SECOND], _embed, frozenset({2})).wrong == 0
    assert judge(ROWS, [FIRST, SECOND, _chunk(2, "Old.")], _embed, frozenset({2})).wrong == 0
