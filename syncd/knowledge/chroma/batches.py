"""How much goes into one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from syncd.knowledge.chroma.layout import Entry
from syncd.portions import portions

IDS = 1000
"""Ids in one question: a store binds each as a variable, and has a limit for them."""

LISTED = 10_000
"""Ids in one answer."""

BYTES = 8 * 2**20
"""The text and vectors in one call, about; servers refuse bodies of 40 MB."""

T = TypeVar("T")


def cut(items: Sequence[T], most: int) -> Iterator[list[T]]:
    """Cut into lists of at most so many."""
    for start in range(0, len(items), most):
        yield list(items[start : start + most])


def cut_by_size(entries: Iterable[Entry], most: int, size: int) -> Iterator[list[Entry]]:
    """Cut into lists of at most so many entries and, about, so many bytes."""
    return portions(entries, most, _bytes, lambda: size)


def _bytes(entry: Entry) -> int:
    # A vector's float travels as four bytes in base64; half the texts' characters take more than one byte.
    return 1000 if entry.chunk is None else 1000 + 2 * len(entry.chunk.text) + 6 * len(entry.chunk.vector)
