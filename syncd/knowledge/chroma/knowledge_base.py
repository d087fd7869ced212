"""The knowledge base port on Chroma."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from syncd.errors import TransientError
from syncd.knowledge.chroma.batches import LISTED
from syncd.knowledge.chroma.collection import Binding, Bound, served
from syncd.knowledge.chroma.connection import connect_server
from syncd.knowledge.chroma.embedded import open_embedded, remove_embedded
from syncd.knowledge.chroma.entries import Entries
from syncd.knowledge.chroma.generations import Generations
from syncd.knowledge.chroma.layout import (
    Mark,
    doubts,
    equal_to,
    head,
    mark_of,
    parts,
    stored_documents,
    updated_head,
    updated_parts,
    user_metadata,
)
from syncd.knowledge.chroma.options import ChromaOptions, require_name
from syncd.knowledge.chroma.probe import glance
from syncd.knowledge.chroma.translation import translated
from syncd.knowledge.chroma.unopened import count_unopened
from syncd.model.generation import Generation
from syncd.model.identity import chunk_id, document_of, number_of
from syncd.model.record import (
    Document,
    Fingerprint,
    Identity,
    Match,
    Metadata,
    MetadataUpdate,
    Neighbour,
    StoredDocument,
)


@dataclass(slots=True)
class _Use:
    """What all generations of an open store have in common."""

    closed: bool = False
    sound: bool = True


class ChromaKnowledgeBase:
    """A knowledge base in Chroma, embedded in this process or on a server; each generation is a collection.

    Args:
        name: the knowledge base's and the collection's name.
        options: where it lies.
        embedding: the fingerprint of the embedder and chunker that fill it.
        holder: who opens it, told to others by the lock of an embedded one.

    Raises:
        InUse: another process owns the embedded store.
        Unavailable: its folder cannot be used.
        PermanentError: Chroma cannot carry the name, or the collection is not syncd's.
        OtherEmbedding: another embedding fills it.
        TransientError: the server does not answer.
    """

    Options = ChromaOptions

    def __init__(self, name: str, options: ChromaOptions, embedding: str, holder: Mapping[str, str]) -> None:
        require_name(name)
        self._place = f"the knowledge base {name} ({options.url or options.path})"
        self._use = _Use()
        self._store = None
        if options.path is not None:
            self._store = open_embedded(Path(options.path), name, embedding, holder)
            self._binding, self._collection = self._store.binding, self._store.collection
        else:
            self._binding = Binding(connect_server(options), name)
            self._collection = self._open_served(embedding)
        self._generations = Generations(self._binding)
        with self._calling():
            self._most = min(int(self._binding.connection.api.get_max_batch_size()), 5000)
        self._bind(Bound(self._binding.connection, self._collection))

    @classmethod
    def is_stored(cls, name: str, options: ChromaOptions) -> bool:
        """Tell whether there is a folder, or on a server a collection, where a knowledge base would be.

        Raises:
            PermanentError: Chroma cannot carry the name, or the server refuses the call.
            TransientError: the server does not answer.
        """
        require_name(name)
        if options.path is not None:
            folder = Path(options.path).expanduser()
            return folder.is_symlink() or folder.exists()
        with served(name, options) as binding:
            return binding.find() is not None

    @classmethod
    def count_unopened(cls, name: str, options: ChromaOptions, embedding: str, holder: Mapping[str, str]) -> int | None:
        """Count the chunks of one that this embedding fills and nobody has open; None where only opening it can tell.

        Raises:
            InUse, Unavailable: as opening it.
        """
        require_name(name)
        return None if options.path is None else count_unopened(Path(options.path), name, embedding, holder)

    @classmethod
    def remove(cls, name: str, options: ChromaOptions, holder: Mapping[str, str]) -> None:
        """Remove a knowledge base that nobody has open, with all that it holds, unless it is gone already.

        Raises:
            InUse: a process has it open.
            Unavailable: its folder cannot be removed.
            PermanentError, TransientError: as `is_stored`; or the collection is not syncd's.
        """
        if options.path is not None:
            remove_embedded(Path(options.path).expanduser(), holder)
            return
        with served(name, options) as binding:
            Generations(binding).remove()

    def identity(self) -> Identity:
        """Return which knowledge base this is."""
        with self._calling():
            return self._bound.identity()

    def advance(self) -> Identity:
        """Let the epoch grow, durably, and return the identity with the new one."""
        with self._calling():
            return self._bound.advance()

    def fingerprints(self, document_ids: Sequence[str]) -> dict[str, Fingerprint]:
        """Return the fingerprints of those of these documents that are held whole."""
        marks = (
            (document_of(entry), mark_of(metadata)) for entry, metadata in self._entries.heads(document_ids).items()
        )
        return {document: mark.fingerprint for document, mark in marks if mark is not None}

    def upsert(self, documents: Sequence[Document]) -> None:
        """Make the store hold exactly these documents' chunks and metadata.

        Where a document has, or had, more chunks than one, its mark is made doubtful; then its chunks after the first
        are written, then the surplus of older versions goes, then the first chunk says that it is whole (1, 3).

        Raises:
            ValueError: a document is given twice.
            TransientError: the store did not take all of them.
            RecordError: the store refuses one of them for good.
        """
        _require_distinct([document.id for document in documents])
        stored = self._entries.held([document.id for document in documents])
        wanted = {chunk_id(document.id, n) for document in documents for n in range(len(document.chunks))}
        sizes = {document.id: len(document.chunks) for document in documents}
        self._entries.write(doubts(sizes, stored, text_stays=False))
        self._entries.write(entry for document in documents for entry in parts(document, stored))
        self._entries.remove([entry for entry in stored if entry not in wanted])
        self._entries.write(head(document, stored) for document in documents)

    def update_metadata(self, updates: Sequence[MetadataUpdate]) -> None:
        """Replace the metadata of documents that are held, on every chunk, and leave texts and vectors alone.

        Raises:
            ValueError: a document is given twice.
            TransientError: the store did not take all of them.
            RecordError: the store refuses one of them for good.
        """
        _require_distinct([update.id for update in updates])
        stored = self._entries.held([update.id for update in updates])
        marked = [
            (update, Mark(update.fingerprint, mark.chunks))
            for update in updates
            if (mark := mark_of(stored.get(chunk_id(update.id, 0)))) is not None
        ]
        sizes = {update.id: mark.chunks for update, mark in marked}
        self._entries.write(doubts(sizes, stored, text_stays=True))
        self._entries.write(
            entry for update, mark in marked for entry in updated_parts(update.id, update.metadata, mark, stored)
        )
        self._entries.write(updated_head(update.id, update.metadata, mark, stored) for update, mark in marked)

    def delete(self, document_ids: Sequence[str]) -> None:
        """Remove these documents and every chunk of theirs; unknown ones are ignored.

        The first chunks go first: a document that is cut off here no longer counts as whole.
        """
        self._entries.remove(list(self._entries.heads(document_ids)))
        self._entries.remove(list(self._entries.parts(document_ids)))

    def search(self, vector: Sequence[float], k: int, where: Metadata) -> list[Match]:
        """Return the `k` chunks nearest to the vector, nearest first, among those whose metadata equals `where`.

        Raises:
            PermanentError: `where` asks for an absent value, which Chroma cannot look for.
        """
        with self._calling():
            found = self._collection.query(
                query_embeddings=np.asarray([vector], dtype=np.float32),
                n_results=k,
                where=equal_to(where),
                include=["documents", "metadatas", "distances"],
            )
        rows = zip(found["ids"][0], found["distances"][0], found["documents"][0], found["metadatas"][0], strict=True)
        return [
            Match(entry, min(1.0, 1.0 - float(distance)), text or "", user_metadata(metadata))
            for entry, distance, text, metadata in rows
        ]

    def stored(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        """Return all that is held of these documents, vectors included, also of those that are not whole."""
        entries = self._entries.held(document_ids)
        marks = {document: mark_of(entries.get(chunk_id(document, 0))) for document in document_ids}
        # A chunk whose metadata no longer say of which document it is a part is still one of it by its id.
        named = (
            chunk_id(document, n) for document, mark in marks.items() for n in range(1, mark.chunks if mark else 0)
        )
        return stored_documents(self._entries.chunks([*entries, *(id_ for id_ in named if id_ not in entries)]))

    def neighbours(self, vectors: Sequence[Sequence[float]], k: int) -> list[list[Neighbour]]:
        """Return, for each vector, the `k` chunks that a search finds nearest to it, nearest first."""
        if not vectors:
            return []
        with self._calling():
            found = self._collection.query(
                query_embeddings=np.asarray(vectors, dtype=np.float32), n_results=k, include=["distances"]
            )
        return [
            [
                Neighbour(document_of(id_), number_of(id_), 1.0 - float(distance))
                for id_, distance in zip(*near, strict=True)
            ]
            for near in zip(found["ids"], found["distances"], strict=True)
        ]

    def document_ids(self, prefix: str) -> Iterator[list[str]]:
        """Return the ids of all documents that start like this, in portions, also of those that are not whole."""
        start = 0
        while True:
            with self._calling():
                entries = self._collection.get(include=[], limit=LISTED, offset=start)["ids"]
            if not entries:
                return
            start += len(entries)
            heads = dict.fromkeys(document_of(entry) for entry in entries if number_of(entry) == 0)
            # A document is listed with its first chunk; one without, which is not whole, with the others.
            rest = {document_of(entry) for entry in entries if number_of(entry) != 0} - heads.keys()
            headless = rest - {document_of(entry) for entry in self._entries.heads(sorted(rest))}
            yield [document for document in (*heads, *sorted(headless)) if document.startswith(prefix)]

    def count(self) -> int:
        """Count the chunks."""
        with self._calling():
            return int(self._collection.count())

    def generations(self) -> list[Generation]:
        """Return all generations as they are now, also when another process changed them."""
        with self._calling():
            return self._generations.all()

    def generation(self, uuid: str) -> ChromaKnowledgeBase:
        """Return one of them, which is closed with this knowledge base. Raises NotFound."""
        with self._calling():
            bound = self._generations.find(uuid)
        other = copy(self)
        other._bind(bound)
        return other

    def describe(self, recipe: str) -> None:
        """Remember how the embedder of the generation that this is is made."""
        with self._calling():
            self._generations.describe(self._bound, recipe)

    def begin(self, embedding: str, recipe: str, *, recalls: bool) -> Generation:
        """Make an empty generation to be filled, unless there is one already, and return it."""
        with self._calling():
            return self._generations.begin(embedding, recipe, recalls=recalls)

    def swap(self, uuid: str) -> None:
        """Let the filling generation serve, and keep of those that served the last. Raises NotFound."""
        with self._calling():
            self._generations.swap(uuid)

    def drop(self, uuid: str) -> None:
        """Remove a generation with all that it holds. Raises Conflict."""
        with self._calling():
            self._generations.drop(uuid)

    def is_worn(self) -> bool:
        """Tell whether opening it again would write its index anew; see `compaction`."""
        return self._store is not None and not self._use.closed and self._store.is_worn()

    def close(self) -> None:
        """Let go of the store and of its lock."""
        if self._use.closed:
            return
        self._use.closed = True
        with translated(self._place):
            if self._store is None:
                self._binding.connection.close()
            else:
                self._store.close(in_order=self._use.sound)

    def _bind(self, bound: Bound) -> None:
        self._bound, self._collection = bound, bound.collection
        self._entries = Entries(bound.collection, self._calling, self._most)

    def _open_served(self, embedding: str) -> Any:
        try:
            with translated(self._place):
                collection = self._binding.open(embedding)
                glance(collection)
        except BaseException:
            self._binding.connection.close()
            raise
        return collection

    @contextmanager
    def _calling(self, *, row_values: bool = False) -> Iterator[None]:
        if self._use.closed:
            raise TransientError(f"{self._place} is closed")
        try:
            with translated(self._place, row_values=row_values):
                yield
        except TransientError:
            # Whatever this was, the next owner looks closely before it trusts the files.
            self._use.sound = False
            raise


def _require_distinct(document_ids: Sequence[str]) -> None:
    if len(set(document_ids)) != len(document_ids):
        twice = sorted({one for one in document_ids if document_ids.count(one) > 1})
        raise ValueError(f"documents given twice: {twice[:5]}")
