"""A knowledge base for a run that may lose its job to another process in the middle (invariant 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from syncd.borrowed import Borrowed
from syncd.errors import LeaseLost, WroteLate
from syncd.model.record import Document, Identity, MetadataUpdate
from syncd.model.run import Lease
from syncd.ports import KnowledgeBase


@dataclass(slots=True)
class Proof:
    """Whether a run still holds its lease, and whether it may have written when it did not.

    No store can refuse a write by the lease, so a process that is held up between the proof and the end of the write
    may replace what its successor has written; it has to tell when it finds out.

    Args:
        lease: the run's.
        renew: holds it for another while; raises LeaseLost.
        open: a write was begun, and the lease has not been proven since.
    """

    lease: Lease
    renew: Callable[[], object]
    open: bool = False

    def before_write(self) -> None:
        """Prove the lease and note that a write begins. Raises LeaseLost."""
        self.renew()
        self.open = True

    def proven(self) -> None:
        """Note that the lease was proven after the last write had ended."""
        self.open = False

    def lost(self, error: LeaseLost) -> LeaseLost:
        """Return the error that the run ends with when its lease turns out to be lost."""
        return WroteLate(error.message, error.hint) if self.open else error


class Fenced(Borrowed):
    """Passes everything on to a knowledge base, and proves the lease before each write.

    Args:
        knowledge_base: where it goes.
        proof: of the run that writes.
    """

    def __init__(self, knowledge_base: KnowledgeBase, proof: Proof) -> None:
        super().__init__(knowledge_base)
        self._proof = proof

    def advance(self) -> Identity:
        """Count one more run that wrote, and return the identity with the new epoch. Raises LeaseLost."""
        self._proof.renew()
        return self._kb.advance()

    def upsert(self, documents: Sequence[Document]) -> None:
        """Write documents. Raises LeaseLost."""
        self._proof.before_write()
        self._kb.upsert(documents)

    def update_metadata(self, updates: Sequence[MetadataUpdate]) -> None:
        """Write metadata. Raises LeaseLost."""
        self._proof.before_write()
        self._kb.update_metadata(updates)

    def delete(self, document_ids: Sequence[str]) -> None:
        """Remove documents. Raises LeaseLost."""
        self._proof.before_write()
        self._kb.delete(document_ids)
