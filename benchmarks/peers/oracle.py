"""Judges what a store holds by what the table says, whoever filled it and however texts were split."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
ALIKE = 0.99
"""The least cosine between a vector that is held and the one of its text: other ways to compute it differ less."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the table has it."""

    text: str
    category: str
    price: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a row's text, as a store has it; `vector` is None where there is none."""

    key: int
    text: str
    category: str | None
    price: float | None
    vector: Sequence[float] | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The keys of the rows that are wrong, each under one kind.

    Args:
        missing: letters or digits of the row's text are in no chunk.
        stale: a chunk holds text, metadata or a vector that are not the row's.
        orphaned: there is no such row.
        duplicated: a piece of the row's text is held more often than it is there.
    """

    missing: tuple[int, ...]
    stale: tuple[int, ...]
    orphaned: tuple[int, ...]
    duplicated: tuple[int, ...]

    @property
    def wrong(self) -> int:
        """How many rows are wrong."""
        return len(self.missing) + len(self.stale) + len(self.orphaned) + len(self.duplicated)


def judge(
    rows: Mapping[int, Row],
    held: Iterable[Chunk],
    embed: Callable[[Sequence[str]], Vectors],
    excused: frozenset[int] = frozenset(),
) -> Verdict:
    """Compare a store with a table.

    Args:
        rows: the table, by key.
        held: all that the store holds.
        embed: the model; its vectors may have any length but zero.
        excused: rows that cannot be synced, whatever is held of them.
    """
    by_key: dict[int, list[Chunk]] = defaultdict(list)
    for chunk in held:
        by_key[chunk.key].append(chunk)
    foreign = _foreign([chunk for chunks in by_key.values() for chunk in chunks], embed)
    found: dict[str, list[int]] = {"missing": [], "stale": [], "orphaned": [], "duplicated": []}
    for key in sorted(by_key.keys() - rows.keys()):
        found["orphaned"].append(key)
    for key, row in rows.items():
        kind = None if key in excused else _fault(row, by_key.get(key, []), foreign)
        if kind is not None:
            found[kind].append(key)
    return Verdict(**{kind: tuple(keys) for kind, keys in found.items()})


def _fault(row: Row, chunks: Sequence[Chunk], foreign: frozenset[int]) -> str | None:
    whole = _squeezed(row.text)
    # A splitter that cuts at a full stop may leave it out, which no search misses.
    covered = np.array([not character.isalnum() for character in whole], dtype=np.bool_)
    pieces = Counter(_squeezed(chunk.text) for chunk in chunks)
    doubled = False
    # The longest first, so that each copy of a short one counts for a place that no other covers.
    for piece, times in sorted(pieces.items(), key=lambda held: -len(held[0])):
        places = [slice(*found.span()) for found in re.finditer(re.escape(piece), whole)] if piece else []
        if not places:
            return "stale"
        doubled = doubled or times > len(places)
        for place in [place for place in places if not covered[place].all()][:times]:
            covered[place] = True
    if any((chunk.category, chunk.price) != (row.category, row.price) or id(chunk) in foreign for chunk in chunks):
        return "stale"
    if not covered.all() or (whole and not chunks):
        return "missing"
    return "duplicated" if doubled else None


def _squeezed(text: str) -> str:
    """Splitters treat white space in their own ways."""
    return "".join(text.split())


def _foreign(chunks: Sequence[Chunk], embed: Callable[[Sequence[str]], Vectors]) -> frozenset[int]:
    """Return which chunks have no vector, or not that of their text."""
    with_vector = [chunk for chunk in chunks if chunk.vector is not None]
    foreign = {id(chunk) for chunk in chunks if chunk.vector is None}
    if with_vector:
        held = np.asarray([chunk.vector for chunk in with_vector], dtype=np.float32)
        right = embed([chunk.text for chunk in with_vector])
        lengths = np.linalg.norm(held, axis=1) * np.linalg.norm(right, axis=1)
        cosines = np.sum(held * right, axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)
        # Not a number is not alike.
        foreign |= {id(chunk) for chunk, cosine in zip(with_vector, cosines, strict=True) if not cosine >= ALIKE}
    return frozenset(foreign)
