"""Documents for tests: made from a few words, always the same, no two with the same vector."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from syncd.model.fingerprint import fingerprint
from syncd.model.record import Chunk, Document, Metadata

DIMENSION = 32


def vector(text: str) -> tuple[float, ...]:
    """Return a unit vector of the text's own, nearly at right angles to every other text's."""
    seed = int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "little")
    numbers = np.random.default_rng(seed).standard_normal(DIMENSION)
    return tuple((numbers / np.linalg.norm(numbers)).astype(np.float32).tolist())


def document(name: str, texts: Sequence[str], metadata: Metadata | None = None) -> Document:
    """Return a document of these chunks.

    Args:
        name: becomes the document's id, `shop.things:"name"`.
        texts: one for each chunk.
        metadata: `{"name": name}` when left out.
    """
    values = {"name": name} if metadata is None else metadata
    chunks = tuple(Chunk(text, vector(text)) for text in texts)
    return Document(f'shop.things:"{name}"', chunks, values, fingerprint("\n".join(texts), values))


def numbered(name: str, chunks: int, version: int = 1) -> Document:
    """Return a document with so many chunks, whose texts say its name, its version and their number."""
    return document(name, [f"{name} version {version} chunk {number}" for number in range(chunks)])
