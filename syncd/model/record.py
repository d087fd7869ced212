"""Rows on their way to a knowledge base, and what the knowledge base holds for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncd.model.watermark import FilterValue, Watermark

KeyValue = object
"""A primary key's value as the driver returned it: int, str, bytes, UUID, date, Decimal ..."""

Key = tuple[KeyValue, ...]
MetadataValue = str | int | float | bool | None
Metadata = Mapping[str, MetadataValue]


class Removal(StrEnum):
    """Why a row that is there shall have no document."""

    DELETED = "deleted"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class Record:
    """One source row, ready to be compared.

    Args:
        key: the values of the key columns, in their declared order.
        document_id: the row's identity in the knowledge base; see `syncd.model.identity`.
        text: the content; empty when there is nothing to embed.
        metadata: every declared metadata column and the filter column, None where NULL.
        removed: the row is soft-deleted, or does not pass the job's filters.
    """

    key: Key
    document_id: str
    text: str
    metadata: Metadata = field(default_factory=dict)
    removed: Removal | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be synced, with the reason."""

    key: str
    reason: str


class Reach(StrEnum):
    """How a row's filter value stands to what has been read; see `Standing`."""

    AHEAD = "ahead"
    RECENT = "recent"
    BEHIND = "behind"
    LEFT_OUT = "left_out"
    NO_VALUE = "no_value"


@dataclass(frozen=True, slots=True)
class Standing:
    """A row as it is now, and who will read it next.

    Args:
        row: what becomes of it.
        reach: AHEAD of what was read, so that the next run reads it; RECENT: read, and read again by the next run;
            BEHIND the lookback: no run reads it again; LEFT_OUT: below the value at which the job was told to begin;
            NO_VALUE: its filter value is NULL.
        filter_value: its filter value, for people.
    """

    row: Record | Reject
    reach: Reach
    filter_value: str


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of one read, ordered by (filter value, key).

    Args:
        records: the rows that can be synced.
        rejects: the rows that cannot.
        watermark: what may be committed once all of this window and those before it is acknowledged.
        last: the filter value of the last row, None for an empty window.
    """

    records: tuple[Record, ...]
    rejects: tuple[Reject, ...]
    watermark: Watermark
    last: FilterValue | None = None

    @property
    def rows(self) -> int:
        """How many source rows the window covers."""
        return len(self.records) + len(self.rejects)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a document was made from: the hash of its text and the hash of its metadata."""

    content: str
    metadata: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a document's text with its vector."""

    text: str
    vector: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """All that a knowledge base should hold for one record; `chunks` is never empty."""

    id: str
    chunks: tuple[Chunk, ...]
    metadata: Metadata
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """One chunk as a knowledge base holds it; an empty vector where the store has none."""

    text: str
    vector: tuple[float, ...]
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """All that a knowledge base holds under a document's id, whole or not.

    Args:
        fingerprint: what its mark says that it was made from; None where it has no mark.
        size: of how many chunks its mark says that it is made; 0 where it has no mark.
        chunks: what is there, by the chunks' numbers.
    """

    id: str
    fingerprint: Fingerprint | None
    size: int
    chunks: Mapping[int, StoredChunk]


@dataclass(frozen=True, slots=True)
class MetadataUpdate:
    """New metadata for a document whose text, chunks and vectors stay."""

    id: str
    metadata: Metadata
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Match:
    """One answer of a search: a chunk, and its cosine similarity to the question (1 is equal)."""

    id: str
    score: float
    text: str
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A chunk that is near to a vector: its document, its number, and its cosine similarity (1 is equal)."""

    document_id: str
    number: int
    score: float


@dataclass(frozen=True, slots=True)
class Identity:
    """Which knowledge base this is, and how far it had come.

    Args:
        uuid: made with the collection; another one means another knowledge base.
        epoch: grows before each checkpoint, over every copy's; a smaller one than recorded means an older copy.
    """

    uuid: str
    epoch: int
