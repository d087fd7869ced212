"""The four parts that a plugin can be, and what each of them promises.

Every backend is a class registered under an entry point group (`syncd.sources`, `syncd.chunkers`, `syncd.embedders`,
`syncd.knowledge_bases`) by the `type` that the configuration names. It carries its options as a pydantic model in
the class attribute `Options`, loads its heavy libraries when they are first needed, translates its library's
exceptions into `syncd.errors` at its own door, and passes the suite for its port in `syncd.testing`, which has one for
each kind but sources.

They are made like this, each with an instance of its own `Options`:

    Source(options, job)                              job: JobDefinition
    Embedder(options)
    Chunker(options, embedder)
    KnowledgeBase(name, options, embedding, holder)   embedding: the fingerprint of embedder and chunker;
                                                      holder: who opens it, for a lock's message
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt

from syncd.model.catalog import TableDescription, TableEntry
from syncd.model.record import (
    Document,
    Fingerprint,
    Identity,
    Match,
    Metadata,
    MetadataUpdate,
    Neighbour,
    Standing,
    StoredDocument,
    Window,
)
from syncd.model.run import RunOptions
from syncd.model.watermark import FilterValue, Watermark

UNIDENTIFIED = 1000
"""How many rows without a whole key a source tells of at most, since they cannot be read in portions."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of a source, from its lower bound to what was its end when the pass began.

    Args:
        glance: an opaque text that is equal to an earlier one when nothing was added, removed or moved between.
        rows: how many rows lie ahead, None when unknown.
        clock: the source's own clock when the pass began.
        reread_after: how long an equal glance may be trusted before the rows are read again.
        start: where the watermark stood.
        lower: the smallest filter value to read, None for no bound.
        upper: the largest filter value to read, as the driver holds it; None for an empty source.
        warnings: what the user should know about how well this pass can see late commits.
        released: the watermark was held below the newest row and can reach it now; what held it may have changed rows
            in a way that no glance shows.
    """

    glance: str
    rows: int | None
    clock: datetime
    reread_after: timedelta
    start: Watermark
    lower: FilterValue | None
    upper: object
    warnings: tuple[str, ...] = ()
    released: bool = False
    options: RunOptions = RunOptions()


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a sample of the newest rows says about one content column: share of NULLs and lengths in characters."""

    name: str
    null_share: float
    mean_length: float
    longest: int


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What `syncd check` tells about a source."""

    table: str
    key: tuple[str, ...]
    filter_column: str
    filter_type: str
    indexed: bool
    estimated_rows: int | None
    null_filter_values: int
    rows_ahead: int
    warnings: tuple[str, ...] = ()
    profile: tuple[ColumnProfile, ...] = field(default=())


class Source(Protocol):
    """A table that is read in the order of its filter column and key."""

    def check(self) -> None:
        """Return when the job's table is there with all that the job names; reads no rows.

        Raises:
            DefinitionRefused: it is not; every fault at once.
            TransientError: it does not answer.
        """
        ...

    def begin(self, watermark: Watermark | None, options: RunOptions) -> Pass:
        """Look at the source once, cheaply, and fix what this pass will read.

        Args:
            watermark: where the last pass ended, None for the first.
            options: whether to read everything, and how many rows at most.

        Raises:
            PermanentError: the table, a column or a key is missing or unusable; the message says what would do.
            TransientError: the source did not answer.
        """
        ...

    def windows(self, current: Pass) -> Iterator[Window]:
        """Read the rows of a pass in order, each window quickly into memory.

        No database transaction is open while the caller holds a window. Every row between the pass's bounds that
        stays in place is in exactly one window, as a record or as a reject. Each window's watermark never passes
        a row that a running transaction could still add, as far as the source can tell.

        Raises:
            PermanentError: the rows do not come in order.
            TransientError: the source broke off; never reported as an end of data.
        """
        ...

    def scan(self, watermark: Watermark | None) -> Iterator[tuple[Standing, ...]]:
        """Read the whole table in the order of its key, in portions, rows without a filter value too.

        No database transaction is open while the caller holds a portion. A row whose key stays is in exactly one.

        Args:
            watermark: what the rows are told to be ahead of or behind.

        Raises:
            PermanentError, TransientError: as `begin` and `windows`.
        """
        ...

    def rows(self, document_ids: Sequence[str], watermark: Watermark | None) -> tuple[Standing, ...]:
        """Read the rows of these documents as they are now; those that are not there are left out. Raises as `scan`."""
        ...

    def present(self, document_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these documents whose rows are there now, whatever they hold. Raises as `scan`."""
        ...

    def document_id(self, key: str) -> str:
        """Return the id of the document of a row whose key a person wrote.

        Raises:
            Invalid: it cannot be a key of this table.
            PermanentError, TransientError: as `begin`.
        """
        ...

    def rows_after(self, watermark: Watermark) -> int:
        """Count the rows that were added or changed since the source was last read, by their filter values."""
        ...

    def report(self, watermark: Watermark | None) -> SourceReport:
        """Describe the source for a person who is setting up a job. Raises as `begin`."""
        ...

    def close(self) -> None:
        """Give back connections; the source is not used afterwards."""
        ...


class Catalog(Protocol):
    """What looks around in a database for somebody who chooses what to sync: definitions and statistics, never rows.

    A source class that can offer one has a class method `catalog(name, options)`.
    """

    @property
    def dialect(self) -> str:
        """The kind of database, such as `postgresql`; nothing is asked for it."""
        ...

    def tables(self, schema: str | None, after: tuple[str, str] | None, limit: int) -> list[TableEntry]:
        """Return the tables and views that can be read, in the order of their places.

        Args:
            schema: only those of this schema; None for every schema.
            after: only those that come after this place.
            limit: how many at most.

        Raises:
            PermanentError: the database cannot be used as it is configured.
            TransientError: it does not answer in time.
        """
        ...

    def describe(self, table: str) -> TableDescription:
        """Describe a table or view, named `table` or `schema.table`.

        Raises:
            NotFound: there is none that can be read.
            PermanentError, TransientError: as `tables`.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def fingerprint(self) -> str:
        """Name everything that decides the vectors: model, revision, normalisation. Does not load the model."""
        ...

    @property
    def max_tokens(self) -> int:
        """The longest text, in tokens, that the model reads whole."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count each text's tokens as the model would, its special tokens included."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, in order, of shape (len(texts), dimension).

        Safe to call from several threads.

        Raises:
            PermanentError: the model cannot be loaded or is not what the configuration says.
            TransientError: a remote model did not answer.
            RecordError: a text cannot be embedded.
        """
        ...


class Chunker(Protocol):
    """Splits a text into pieces that a model reads whole."""

    @property
    def fingerprint(self) -> str:
        """Name everything that decides where texts are split."""
        ...

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return each text's chunks, in order; every chunk holds at least one character that is not white space."""
        ...


class KnowledgeBase(Protocol):
    """A store of documents: chunks with vectors, metadata and a fingerprint, found by id and by meaning.

    It records the embedding fingerprint that it was opened with and refuses another one (OtherEmbedding), so that
    vectors of two models never meet. Opening it checks that it answers; one that is damaged for good is set aside,
    and one with all documents that are certain takes its place under a new identity. One that can be filled anew beside
    itself is a `syncd.generational.Generational`.
    """

    def identity(self) -> Identity:
        """Return which knowledge base this is."""
        ...

    def advance(self) -> Identity:
        """Let the epoch grow, durably, and return the identity with the new one.

        A copy that is put in place is told by its epoch, so none may reach an epoch that another copy has had: take the
        time in microseconds, unless the last epoch was larger.
        """
        ...

    def fingerprints(self, document_ids: Sequence[str]) -> dict[str, Fingerprint]:
        """Return the fingerprints of those of these documents that are held whole."""
        ...

    def upsert(self, documents: Sequence[Document]) -> None:
        """Make the store hold exactly these documents' chunks and metadata.

        Repeating it changes nothing. When it is cut off at any point, `fingerprints` answers the old fingerprint of a
        document only while the old one is there whole, and the new one only once the new one is; else none, or one
        that no row has. A completed document has no chunk and no metadata of an older version left.

        Raises:
            TransientError: the store did not take all of them; the caller repeats the call.
            RecordError: the store refuses one of them for good.
        """
        ...

    def update_metadata(self, updates: Sequence[MetadataUpdate]) -> None:
        """Replace the metadata of documents that are held, on every chunk, and leave texts and vectors alone.

        Cut off, it is as with `upsert`, but that a fingerprint's content stays. Raises as `upsert`.
        """
        ...

    def delete(self, document_ids: Sequence[str]) -> None:
        """Remove these documents and every chunk of theirs; unknown ones are ignored."""
        ...

    def search(self, vector: Sequence[float], k: int, where: Metadata) -> list[Match]:
        """Return the `k` chunks nearest to the vector, nearest first, among those whose metadata equals `where`."""
        ...

    def document_ids(self, prefix: str) -> Iterator[list[str]]:
        """Return the ids of all documents that start like this, in portions, also of those that are not whole."""
        ...

    def stored(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        """Return all that is held of these documents, vectors included, also of those that are not whole."""
        ...

    def neighbours(self, vectors: Sequence[Sequence[float]], k: int) -> list[list[Neighbour]]:
        """Return, for each vector, the `k` chunks that a search finds nearest to it, nearest first."""
        ...

    def count(self) -> int:
        """Count the chunks."""
        ...

    def close(self) -> None:
        """Let go of the store and of its lock."""
        ...
