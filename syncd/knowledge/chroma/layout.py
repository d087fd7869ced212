"""How a document lies in a collection.

Each chunk is one entry: its id is `syncd.model.identity.chunk_id`, its document is the chunk's text, its metadata is
the document's. Two fields are added:

    syncd_mark      on chunk 0: `1:<content hash>:<metadata hash>:<number of chunks>`; written last, so that a document
                    that has it is whole; hashes that are empty belong to a write that was cut off
    syncd_part_of   on all other chunks: the document's id
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from syncd.errors import PermanentError
from syncd.model.identity import chunk_id, document_of, number_of
from syncd.model.record import Chunk, Document, Fingerprint, Metadata, StoredChunk, StoredDocument

MARK = "syncd_mark"
PART_OF = "syncd_part_of"
_VERSION = "1"

Stored = Mapping[str, Metadata]
"""What a collection holds: the metadata of its entries, by their ids."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk as it is written; no chunk means that text and vector stay as they are."""

    id: str
    metadata: Metadata
    chunk: Chunk | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """What chunk 0 says about its document."""

    fingerprint: Fingerprint
    chunks: int


def mark_of(metadata: Metadata | None) -> Mark | None:
    """Read the mark in an entry's metadata; None when there is none that is understood."""
    text = (metadata or {}).get(MARK)
    match text.split(":") if isinstance(text, str) else []:
        case [version, content, hashed, number] if version == _VERSION and number.isdecimal():
            return Mark(Fingerprint(content, hashed), int(number))
    return None


def head(document: Document, stored: Stored) -> Entry:
    """Return chunk 0, which says that the document is whole."""
    return _head(
        document.id, document.metadata, Mark(document.fingerprint, len(document.chunks)), stored, document.chunks[0]
    )


def parts(document: Document, stored: Stored) -> Iterator[Entry]:
    """Return all chunks but the first."""
    for number, chunk in enumerate(document.chunks[1:], 1):
        yield _part(document.id, number, document.metadata, stored, chunk)


def doubts(sizes: Mapping[str, int], stored: Stored, *, text_stays: bool) -> Iterator[Entry]:
    """Return first chunks with marks that no row has, to be written before other chunks of these documents change.

    Should the rest be cut off, such a document is not taken for the old one, even if its row becomes what it was again.

    Args:
        sizes: how many chunks each document will have; one that has one, and had one, is written in one step.
        text_stays: whether only metadata change, so that nothing has to be embedded again.
    """
    for document_id, size in sizes.items():
        old = stored.get(chunk_id(document_id, 0))
        mark = mark_of(old)
        if mark is not None and max(size, mark.chunks) > 1:
            doubtful = Fingerprint(mark.fingerprint.content if text_stays else "", "")
            yield _head(document_id, user_metadata(old), Mark(doubtful, mark.chunks), stored, None)


def updated_head(document_id: str, metadata: Metadata, mark: Mark, stored: Stored) -> Entry:
    """Return chunk 0 with new metadata."""
    return _head(document_id, metadata, mark, stored, None)


def updated_parts(document_id: str, metadata: Metadata, mark: Mark, stored: Stored) -> Iterator[Entry]:
    """Return all chunks but the first with new metadata."""
    for number in range(1, mark.chunks):
        yield _part(document_id, number, metadata, stored, None)


def user_metadata(metadata: Metadata | None) -> dict[str, str | int | float | bool | None]:
    """Return an entry's metadata without syncd's own fields."""
    return {key: value for key, value in (metadata or {}).items() if key not in {MARK, PART_OF}}


def equal_to(where: Metadata) -> dict[str, Any] | None:
    """Return Chroma's condition for metadata that equal these; None for no condition. Raises PermanentError."""
    if None in where.values():
        raise PermanentError("Chroma cannot look for an absent value", "leave that condition out of the search")
    clauses = [{key: {"$eq": value}} for key, value in where.items()]
    if not clauses:
        return None
    return clauses[0] if len(clauses) == 1 else {"$and": clauses}


def stored_documents(entries: Iterable[tuple[str, StoredChunk]]) -> dict[str, StoredDocument]:
    """Put entries together to the documents that they are parts of; their metadata lose syncd's own fields."""
    chunks: dict[str, dict[int, StoredChunk]] = {}
    marks: dict[str, Mark] = {}
    for id_, chunk in entries:
        document, number = document_of(id_), number_of(id_)
        chunks.setdefault(document, {})[number] = replace(chunk, metadata=user_metadata(chunk.metadata))
        mark = mark_of(chunk.metadata) if number == 0 else None
        if mark is not None:
            marks[document] = mark
    return {
        document: _stored(document, marks.get(document), dict(sorted(held.items())))
        for document, held in chunks.items()
    }


def _stored(document_id: str, mark: Mark | None, chunks: Mapping[int, StoredChunk]) -> StoredDocument:
    return StoredDocument(document_id, mark.fingerprint if mark else None, mark.chunks if mark else 0, chunks)


def _head(document_id: str, metadata: Metadata, mark: Mark, stored: Stored, chunk: Chunk | None) -> Entry:
    text = f"{_VERSION}:{mark.fingerprint.content}:{mark.fingerprint.metadata}:{mark.chunks}"
    return _entry(chunk_id(document_id, 0), {**metadata, MARK: text}, stored, chunk)


def _part(document_id: str, number: int, metadata: Metadata, stored: Stored, chunk: Chunk | None) -> Entry:
    return _entry(chunk_id(document_id, number), {**metadata, PART_OF: document_id}, stored, chunk)


def _entry(entry_id: str, metadata: Metadata, stored: Stored, chunk: Chunk | None) -> Entry:
    """Clear what an older version had and this one has not: the store merges, and removes what is None."""
    old = stored.get(entry_id) or {}
    values = {key: value for key, value in metadata.items() if value is not None or key in old}
    return Entry(entry_id, {**dict.fromkeys(old.keys() - metadata.keys()), **values}, chunk)
