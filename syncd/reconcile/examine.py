"""Looks at stored documents chunk by chunk, beside the rows that they should be made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from syncd.model.fingerprint import fingerprint
from syncd.model.inspection import Difference, Kind
from syncd.model.record import (
    Fingerprint,
    Metadata,
    MetadataValue,
    Neighbour,
    Record,
    Removal,
    StoredChunk,
    StoredDocument,
)
from syncd.ports import Chunker, KnowledgeBase

NEAREST = 10
"""How many answers of a search may come before a chunk that is asked for by its own vector."""

MOST_TWINS = 1000
"""How many chunks with the same vector are looked through for one of them."""

_EQUAL = 1e-4
"""The largest difference of cosine similarity between two answers that are equally near."""

_UNIT = 0.01
"""How far the length of a vector may be from 1: embedders return unit vectors, and stores keep 32-bit floats."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a row's document should hold: its chunks' texts, its metadata without absent ones, its fingerprint."""

    record: Record
    texts: tuple[str, ...]
    metadata: Mapping[str, MetadataValue]
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference with all that is needed to mend it.

    Args:
        expected: None for a document that should not be there.
        stored: None where nothing is held.
    """

    difference: Difference
    expected: Expected | None
    stored: StoredDocument | None


class Examiner:
    """Compares texts, metadata and vectors themselves, not the fingerprints that a sync trusts.

    Args:
        chunker, knowledge_base: the parts, open.
    """

    def __init__(self, chunker: Chunker, knowledge_base: KnowledgeBase) -> None:
        self._chunker = chunker
        self._kb = knowledge_base

    def examine(self, records: Sequence[Record], stored: Mapping[str, StoredDocument]) -> Iterator[Finding]:
        """Return what differs between rows and what is held of them.

        Args:
            stored: what the knowledge base holds of these records' documents.
        """
        wanted = [record for record in records if not record.removed and record.text]
        for record in records:
            held = stored.get(record.document_id)
            if held is not None and (record.removed or not record.text):
                yield Finding(Difference(record.document_id, Kind.ORPHANED, _reason(record)), None, held)
        sound: list[tuple[Expected, StoredDocument]] = []
        for expected in self._expected(wanted):
            held = stored.get(expected.record.document_id)
            difference = _difference(expected, held)
            if difference is not None:
                yield Finding(difference, expected, held)
            elif held is not None:
                sound.append((expected, held))
        yield from self._unreachable(sound)

    def _expected(self, records: Sequence[Record]) -> Iterator[Expected]:
        for record, texts in zip(records, self._chunker.split([record.text for record in records]), strict=True):
            metadata = {name: value for name, value in record.metadata.items() if value is not None}
            yield Expected(record, tuple(texts), metadata, fingerprint(record.text, record.metadata))

    def _unreachable(self, documents: Sequence[tuple[Expected, StoredDocument]]) -> Iterator[Finding]:
        chunks = [(place, number) for place, (_, held) in enumerate(documents) for number in held.chunks]
        vectors = [documents[place][1].chunks[number].vector for place, number in chunks]
        missed: dict[int, list[int]] = {}
        for (place, number), vector, near in zip(chunks, vectors, self._kb.neighbours(vectors, NEAREST), strict=True):
            if not self._is_found((documents[place][1].id, number), vector, near):
                missed.setdefault(place, []).append(number)
        for place, numbers in missed.items():
            expected, held = documents[place]
            detail = f"not found by its own vector: {_chunks(numbers)}"
            yield Finding(Difference(held.id, Kind.UNREACHABLE, detail), expected, held)

    def _is_found(self, own: tuple[str, int], vector: Sequence[float], near: Sequence[Neighbour]) -> bool:
        most = NEAREST
        while own not in {(one.document_id, one.number) for one in near}:
            # Equal texts have equal vectors, and each of them is as good an answer as the others.
            twins = sum(1 for one in near if one.score > 1 - _EQUAL)
            if twins < most:
                return False
            if most >= MOST_TWINS:
                return True
            most *= 10
            [near] = self._kb.neighbours([vector], most)
        return True


def _reason(record: Record) -> str:
    if record.removed is Removal.DELETED:
        return "its row is marked as deleted"
    return "its row does not pass the job's filters" if record.removed else "its row has no text"


def _difference(expected: Expected, held: StoredDocument | None) -> Difference | None:
    id_ = expected.record.document_id
    if held is None:
        return Difference(id_, Kind.MISSING, "it is not held")
    wanted = range(len(expected.texts))
    missing = [number for number in wanted if number not in held.chunks]
    if missing:
        return Difference(id_, Kind.MISSING, f"not held: {_chunks(missing)} of {len(expected.texts)}")
    stale = [number for number in wanted if held.chunks[number].text != expected.texts[number]]
    if stale:
        return Difference(id_, Kind.STALE, f"not the row's text: {_chunks(stale)}")
    changed = sorted({name for number in wanted for name in _changed(held.chunks[number].metadata, expected.metadata)})
    if changed:
        return Difference(id_, Kind.STALE, f"not the row's metadata: {', '.join(changed)}")
    if held.fingerprint != expected.fingerprint or held.size != len(expected.texts):
        return Difference(id_, Kind.STALE, "its mark is missing, or speaks of another version")
    surplus = [number for number in held.chunks if number not in wanted]
    if surplus:
        return Difference(id_, Kind.DUPLICATED, f"left over from an older version: {_chunks(surplus)}")
    damaged = [number for number in wanted if not is_sound(held.chunks[number])]
    if damaged:
        return Difference(id_, Kind.UNREACHABLE, f"a damaged vector: {_chunks(damaged)}")
    return None


def is_sound(chunk: StoredChunk) -> bool:
    """Tell whether a chunk's vector can be one that an embedder made."""
    length = float(np.linalg.norm(np.asarray(chunk.vector, dtype=np.float64)))
    return bool(chunk.vector) and np.isfinite(length) and abs(length - 1) < _UNIT


def _changed(held: Metadata, expected: Metadata) -> list[str]:
    return [
        name
        for name in held.keys() | expected.keys()
        if held.get(name) != expected.get(name) or type(held.get(name)) is not type(expected.get(name))
    ]


def _chunks(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:5])
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"chunk{'s' if len(numbers) > 1 else ''} {shown}{more}"
