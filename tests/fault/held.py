"""The parts that a pipeline needs beside its source, in memory and at no cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from syncd.model.record import Document, Fingerprint, Identity, MetadataUpdate
from syncd.ports import Vectors


class Held:
    """A knowledge base in memory, with a chunker and an embedder that cost nothing."""

    fingerprint = "held"
    max_tokens = 1_000

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}

    def identity(self) -> Identity:
        return Identity("held", 0)

    advance = identity

    def fingerprints(self, document_ids: Sequence[str]) -> dict[str, Fingerprint]:
        return {id_: self.documents[id_].fingerprint for id_ in document_ids if id_ in self.documents}

    def upsert(self, documents: Sequence[Document]) -> None:
        self.documents |= {document.id: document for document in documents}

    def update_metadata(self, updates: Sequence[MetadataUpdate]) -> None:
        for update in updates:
            held = self.documents[update.id]
            self.documents[update.id] = replace(held, metadata=update.metadata, fingerprint=update.fingerprint)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        return [[text] for text in texts]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [1 for _ in texts]

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.ones((len(texts), 1), dtype=np.float32)

    def rows(self) -> set[tuple[str, str]]:
        """The id and the body of every row that is held."""
        return {(id_.partition(":")[2], item.chunks[0].text[len("body: ") :]) for id_, item in self.documents.items()}
