"""Compares a knowledge base that has survived with one that was made from nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from syncd.model.record import Fingerprint, StoredDocument
from syncd.ports import KnowledgeBase

NEAREST = 5
_EQUAL = 1e-5

Documents = Mapping[str, StoredDocument]
Chunk = tuple[str, int]
Vector = Sequence[float]


@dataclass(slots=True)
class Findings:
    """What is wrong with a knowledge base, by document ids and chunks.

    Args:
        lost: rows without a whole document.
        stale: documents whose text, vectors or metadata are not those of their row.
        doubled: chunks that a document has too many, such as the tail of a longer text.
        orphaned: documents that have no row.
        unreachable: chunks that are not found by their own vectors.
    """

    lost: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        return {name: len(found) for name, found in asdict(self).items()}

    def examples(self) -> dict[str, list[str]]:
        """Return a few of each kind that there is."""
        return {name: found[:5] for name, found in asdict(self).items() if found}


def documents(knowledge_base: KnowledgeBase) -> dict[str, StoredDocument]:
    """Return all that a knowledge base holds."""
    found: dict[str, StoredDocument] = {}
    for ids in list(knowledge_base.document_ids("")):
        found |= knowledge_base.stored(ids)
    return found


def compare(held: Documents, rebuilt: Documents, wanted: Mapping[str, Fingerprint] | None) -> Findings:
    """Compare all that is held with all that ought to be.

    Args:
        held: by the knowledge base that has survived.
        rebuilt: by the one that was made from nothing.
        wanted: what the rows say by themselves, so that an error in both is noticed; None where it cannot be known.
    """
    found = Findings()
    expected = rebuilt.keys() if wanted is None else wanted.keys() | rebuilt.keys()
    found.orphaned = sorted(held.keys() - expected)
    for id_ in sorted(expected):
        one, other = held.get(id_), rebuilt.get(id_)
        if one is None or other is None or one.fingerprint is None or not one.chunks.keys() >= other.chunks.keys():
            found.lost.append(id_)
            continue
        found.doubled += [f"{id_}#{number}" for number in sorted(one.chunks.keys() - other.chunks.keys())]
        right = other.fingerprint if wanted is None else wanted.get(id_)
        if not one.fingerprint == other.fingerprint == right or not _same_chunks(one, other):
            found.stale.append(id_)
    return found


def _same_chunks(one: StoredDocument, other: StoredDocument) -> bool:
    return all(
        one.chunks[number].text == chunk.text
        and one.chunks[number].metadata == chunk.metadata
        and len(one.chunks[number].vector) == len(chunk.vector)
        and np.allclose(one.chunks[number].vector, chunk.vector, atol=_EQUAL)
        for number, chunk in other.chunks.items()
    )


def missed(held: Documents, near: Callable[[Sequence[Vector]], Iterable[Iterable[Chunk]]]) -> set[Chunk]:
    """Return the chunks that are not found by their own vectors.

    Args:
        near: tells which chunks a search finds nearest to each vector.
    """
    chunks = {(id_, number): chunk.vector for id_, one in held.items() for number, chunk in one.chunks.items()}
    if not chunks:
        return set()
    answers = near(list(chunks.values()))
    return {chunk for chunk, answer in zip(chunks, answers, strict=True) if chunk not in set(answer)}
