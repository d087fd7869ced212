"""The collection that carries a knowledge base, and what it says about itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from syncd.errors import OtherEmbedding, PermanentError
from syncd.knowledge.chroma.connection import Connection, connect_server
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.knowledge.chroma.translation import translated
from syncd.model.record import Identity, Metadata, MetadataValue

_UUID = "syncd_uuid"
_EPOCH = "syncd_epoch"
_EMBEDDING = "syncd_embedding"

NEXT = ".syncd-next"
"""What the name of a collection that is being filled has after the knowledge base's name."""

ROWS_BETWEEN_WRITES = 5000
"""Rows after which Chroma writes its index to disk. A kill during that write tears the index apart, so it should be
rare; more rows would make the opening after a kill slow, which repeats them."""

NEIGHBORS = 48
"""Links of each vector in the index. With Chroma's 16, tables of similar texts have vectors that no search reaches: of
250 texts that differ in a number 17, with 48 none; writing takes 5 % longer, and 256 bytes a vector more."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A connection and the collection that is used through it."""

    connection: Connection
    name: str

    def open(self, embedding: str) -> Any:
        """Find the collection, or make it.

        Args:
            embedding: the fingerprint of what fills it (invariant 9).

        Raises:
            PermanentError: it belongs to another program.
            OtherEmbedding: it holds vectors of another fingerprint.
        """
        model = self.find() or self._taken_over() or self.create(embedding)
        self._check(model.metadata or {}, embedding)
        return self._collection(model)

    def replace(self, metadata: Metadata) -> Any:
        """Make the collection that takes the place of a damaged one.

        Args:
            metadata: the damaged one's, all of which is kept but the identity: whoever remembers that one shall notice.
        """
        return self.again({**metadata, _UUID: str(uuid4())})

    def again(self, metadata: Metadata) -> Any:
        """Make the collection that takes the place of one that says this of itself, and says the same."""
        return self._collection(self._create(metadata))

    def find(self) -> Any | None:
        """Return what Chroma says of the collection, whoever made it; None where there is none."""
        from chromadb.errors import NotFoundError

        where = self.connection
        try:
            return where.api.get_collection(name=self.name, tenant=where.tenant, database=where.database)
        except NotFoundError:
            return None

    def create(self, embedding: str, **about: MetadataValue) -> Any:
        """Make the collection, unless somebody else does so at the same moment, and return what Chroma says of it.

        Args:
            about: more that it shall say of itself.
        """
        return self._create({_UUID: str(uuid4()), _EPOCH: 0, _EMBEDDING: embedding, **about})

    def bound(self, model: Any) -> Bound:
        """Return a collection of this knowledge base, whatever its name is."""
        return Bound(self.connection, self._collection(model))

    def remove(self) -> None:
        """Remove the collection with all that it holds, unless it is gone already.

        Raises:
            PermanentError: it belongs to another program.
        """
        from chromadb.errors import NotFoundError

        if (model := self.find()) is None:
            return
        self._require_ours(model.metadata or {})
        where = self.connection
        try:
            where.api.delete_collection(name=self.name, tenant=where.tenant, database=where.database)
        except NotFoundError:
            return

    def _taken_over(self) -> Any | None:
        """Complete a swap that was cut off between its two renames; None where there was none."""
        model = Binding(self.connection, self.name + NEXT).find()
        if model is None or not is_ours(model.metadata):
            return None
        self._collection(model).modify(name=self.name)
        return self.find()

    def _create(self, metadata: Metadata) -> Any:
        from chromadb.errors import InvalidArgumentError, NotFoundError

        where = self.connection
        try:
            # Somebody else may create it at the same moment; the first one's metadata stands.
            return where.api.get_or_create_collection(
                name=self.name,
                configuration={
                    "hnsw": {"space": "cosine", "max_neighbors": NEIGHBORS, "sync_threshold": ROWS_BETWEEN_WRITES}
                },
                metadata=dict(metadata),
                tenant=where.tenant,
                database=where.database,
            )
        except (InvalidArgumentError, NotFoundError) as error:
            if "does not exist" not in str(error):
                raise
            raise PermanentError(
                f"Chroma has no database {where.database} of a tenant {where.tenant}",
                "create them, or correct the names",
            ) from error

    def _collection(self, model: Any) -> Any:
        from chromadb.api.models.Collection import Collection

        collection = Collection(client=self.connection.api, model=model, embedding_function=None)
        mirrors = self.connection.mirrors
        return collection if mirrors is None else mirrors.of(collection)

    def _require_ours(self, metadata: Metadata) -> None:
        if not is_ours(metadata):
            raise PermanentError(
                f"the collection {self.name} was not made by syncd, and stays as it is",
                "give the knowledge base another name, or remove that collection",
            )

    def _check(self, metadata: Metadata, embedding: str) -> None:
        self._require_ours(metadata)
        if (held := embedding_in(metadata)) != embedding:
            raise OtherEmbedding(self.name, held, embedding)


@dataclass(frozen=True, slots=True)
class Bound:
    """A collection that stays the same under whatever name, and what it says of itself.

    Args:
        collection: what its documents are read and written through.
    """

    connection: Connection
    collection: Any

    def identity(self) -> Identity:
        """Read the identity as it is now, also when another process advanced it."""
        return identity_in(self._model().metadata)

    def advance(self) -> Identity:
        """Let the epoch grow, and by the clock, so that two copies that go on apart never reach the same one."""
        identity = self.identity()
        advanced = Identity(identity.uuid, max(identity.epoch + 1, time.time_ns() // 1000))
        self.say({_EPOCH: advanced.epoch})
        return advanced

    def say(self, about: Metadata) -> None:
        """Have the collection say this of itself too."""
        self.collection.modify(metadata={**self._model().metadata, **about})

    def rename(self, name: str) -> None:
        """Give the collection another name."""
        self.collection.modify(name=name)

    def _model(self) -> Any:
        where = self.connection
        return where.api.get_collection_by_id(self.collection.id, tenant=where.tenant, database=where.database)


@contextmanager
def served(name: str, options: ChromaOptions) -> Iterator[Binding]:
    """Speak with a server about a collection for a moment."""
    connection = connect_server(options)
    try:
        with translated(f"the knowledge base {name} ({options.url})"):
            yield Binding(connection, name)
    finally:
        connection.close()


def identity_in(metadata: Metadata) -> Identity:
    """Read the identity in a collection's metadata."""
    return Identity(str(metadata[_UUID]), int(str(metadata[_EPOCH])))


def embedding_in(metadata: Metadata) -> str:
    """Read the embedding's fingerprint in a collection's metadata."""
    return str(metadata[_EMBEDDING])


def is_ours(metadata: Metadata | None) -> bool:
    """Tell by its metadata whether syncd made a collection."""
    return {_UUID, _EPOCH, _EMBEDDING} <= (metadata or {}).keys()
