"""The collection that carries a knowledge base, and what it says about itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from syncd.errors import PermanentError
from syncd.knowledge.chroma.connection import Connection
from syncd.model.record import Identity, Metadata

_UUID = "syncd_uuid"
_EPOCH = "syncd_epoch"
_EMBEDDING = "syncd_embedding"

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
            PermanentError: it belongs to another program, or holds vectors of another fingerprint.
        """
        from chromadb.errors import NotFoundError

        try:
            model = self._model()
        except NotFoundError:
            model = self._create({_UUID: str(uuid4()), _EPOCH: 0, _EMBEDDING: embedding})
        self._check(model.metadata or {}, embedding)
        return self._collection(model)

    def replace(self, metadata: Metadata) -> Any:
        """Make the collection that takes the place of a damaged one.

        Args:
            metadata: the damaged one's, all of which is kept but the identity: whoever remembers that one shall notice.
        """
        return self._collection(self._create({**metadata, _UUID: str(uuid4())}))

    def exists(self) -> bool:
        """Tell whether there is a collection of this name, whoever made it."""
        from chromadb.errors import NotFoundError

        try:
            self._model()
        except NotFoundError:
            return False
        return True

    def remove(self) -> None:
        """Remove the collection with all that it holds, unless it is gone already.

        Raises:
            PermanentError: it belongs to another program.
        """
        from chromadb.errors import NotFoundError

        where = self.connection
        try:
            self._require_ours(self._model().metadata or {})
            where.api.delete_collection(name=self.name, tenant=where.tenant, database=where.database)
        except NotFoundError:
            return

    def identity(self) -> Identity:
        """Read the identity as it is now, also when another process advanced it."""
        metadata = self._model().metadata
        return Identity(metadata[_UUID], int(metadata[_EPOCH]))

    def advance(self) -> Identity:
        """Let the epoch grow, and by the clock, so that two copies that go on apart never reach the same one."""
        model = self._model()
        epoch = max(int(model.metadata[_EPOCH]) + 1, time.time_ns() // 1000)
        identity = Identity(model.metadata[_UUID], epoch)
        self._collection(model).modify(metadata={**model.metadata, _EPOCH: identity.epoch})
        return identity

    def _model(self) -> Any:
        where = self.connection
        return where.api.get_collection(name=self.name, tenant=where.tenant, database=where.database)

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
        if metadata[_EMBEDDING] != embedding:
            raise PermanentError(
                f"the knowledge base {self.name} was made with another model or chunking: "
                f"it holds {metadata[_EMBEDDING]}, the configuration says {embedding}",
                "restore the old embedder and chunking, or point the job at a new knowledge base",
            )


def is_ours(metadata: Metadata | None) -> bool:
    """Tell by its metadata whether syncd made a collection."""
    return {_UUID, _EPOCH, _EMBEDDING} <= (metadata or {}).keys()
