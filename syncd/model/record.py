"""Rows on their way to a knowledge base, and what the knowledge base holds for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.model.watermark import FilterValue, Watermark

KeyValue = object
"""A primary key's value as the driver returned it: int, str, bytes, UUID, date, Decimal ..."""

Key = tuple[KeyValue, ...]
MetadataValue = str | int | float | bool | None
Metadata = Mapping[str, MetadataValue]


@dataclass(frozen=True, slots=True)
class Record:
    """One source row, ready to be compared.

    Args:
        key: the values of the key columns, in their declared order.
        document_id: the row's identity in the knowledge base; see `syncd.model.identity`.
        text: the content; empty when there is nothing to embed.
        metadata: every declared metadata column and the filter column, None where NULL.
        removed: the row is soft-deleted or no longer passes the job's filters.
    """

    key: Key
    document_id: str
    text: str
    metadata: Metadata = field(default_factory=dict)
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be synced, with the reason."""

    key: str
    reason: str


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
class Identity:
    """Which knowledge base this is, and how far it had come.

    Args:
        uuid: made with the collection; another one means another knowledge base.
        epoch: grows before each checkpoint, over every copy's; a smaller one than recorded means an older copy.
    """

    uuid: str
    epoch: int
