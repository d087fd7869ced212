"""A knowledge base for runs that shall change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncd.borrowed import Borrowed
from syncd.model.record import Document, Fingerprint, Identity, MetadataUpdate
from syncd.ports import KnowledgeBase

_PORTION = 1000


class Rehearsal(Borrowed):
    """Answers as if what it was told last had been written to a knowledge base, and writes nothing.

    Args:
        knowledge_base: the one that is only read.
        remember: keep all that it was told, some 400 bytes a document, for a sweep that follows the pass.
    """

    def __init__(self, knowledge_base: KnowledgeBase, *, remember: bool = False) -> None:
        super().__init__(knowledge_base)
        self._remember = remember
        self._told: dict[str, Fingerprint | None] = {}

    def advance(self) -> Identity:
        """Return the identity as it is."""
        return self._kb.identity()

    def fingerprints(self, document_ids: Sequence[str]) -> dict[str, Fingerprint]:
        """Return what the knowledge base holds, with what it was told last in place of it."""
        held = self._kb.fingerprints(document_ids)
        told = {id_: self._told[id_] for id_ in document_ids if id_ in self._told}
        return {id_: print_ for id_, print_ in (held | told).items() if print_ is not None}

    def upsert(self, documents: Sequence[Document]) -> None:
        """Remember what would be held."""
        self._tell({document.id: document.fingerprint for document in documents})

    def update_metadata(self, updates: Sequence[MetadataUpdate]) -> None:
        """Remember what would be held."""
        self._tell({update.id: update.fingerprint for update in updates})

    def delete(self, document_ids: Sequence[str]) -> None:
        """Remember what would be gone."""
        self._tell(dict.fromkeys(document_ids))

    def document_ids(self, prefix: str) -> Iterator[list[str]]:
        """Return what the knowledge base holds, and what was added to it."""
        yield from self._kb.document_ids(prefix)
        written = [id_ for id_, fingerprint in self._told.items() if fingerprint is not None]
        for start in range(0, len(written), _PORTION):
            ids = written[start : start + _PORTION]
            held = self._kb.fingerprints(ids)
            yield [id_ for id_ in ids if id_ not in held]

    def _tell(self, told: dict[str, Fingerprint | None]) -> None:
        if not self._remember:
            self._told.clear()
        self._told.update(told)
