"""The reading half of a knowledge base that is lent; who stands before one says itself what becomes of a write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncd.model.record import Fingerprint, Identity, Match, Metadata, Neighbour, StoredDocument
from syncd.ports import KnowledgeBase


class Borrowed:
    """Reads from a knowledge base that is somebody else's, and so does not close it.

    It has none of the calls that write, so that no new one can pass a fence or a rehearsal unnoticed.

    Args:
        knowledge_base: what is read.
    """

    def __init__(self, knowledge_base: KnowledgeBase) -> None:
        self._kb = knowledge_base

    def identity(self) -> Identity:
        """Return which knowledge base this is."""
        return self._kb.identity()

    def fingerprints(self, document_ids: Sequence[str]) -> dict[str, Fingerprint]:
        """Return the fingerprints of what is held whole."""
        return self._kb.fingerprints(document_ids)

    def search(self, vector: Sequence[float], k: int, where: Metadata) -> list[Match]:
        """Search by meaning."""
        return self._kb.search(vector, k, where)

    def stored(self, document_ids: Sequence[str]) -> dict[str, StoredDocument]:
        """Return all that is held of these documents."""
        return self._kb.stored(document_ids)

    def neighbours(self, vectors: Sequence[Sequence[float]], k: int) -> list[list[Neighbour]]:
        """Return what a search finds nearest to each vector."""
        return self._kb.neighbours(vectors, k)

    def document_ids(self, prefix: str) -> Iterator[list[str]]:
        """Return the ids of what is held, in portions."""
        return self._kb.document_ids(prefix)

    def count(self) -> int:
        """Count the chunks."""
        return self._kb.count()

    def close(self) -> None:
        """Do nothing."""
