"""An embedder whose answers are looked at before they are believed."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from syncd.errors import PermanentError, RecordError
from syncd.ports import Embedder, Vectors

_HINT = "use another embedder, or mend this one: syncd.testing has the suite that it must pass"
_ALIKE = 0.9
"""The cosine above which two texts are too much alike to tell by their vectors which is which."""


class CheckedEmbedder:
    """Passes on what an embedder answers, unless it cannot be right.

    Args:
        embedder: whom to ask.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._dimension: int | None = None
        self._keeps_order = False
        self._beginning = threading.Lock()
        self._began = False

    @property
    def fingerprint(self) -> str:
        """Name everything that decides the vectors."""
        return self._embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        """The longest text, in tokens, that the model reads whole."""
        return self._embedder.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count each text's tokens."""
        return self._embedder.count_tokens(texts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector for each text, in order.

        The first time that texts differ enough, two of them are embedded again the other way round: an embedder that
        sorts texts to fill its batches, and forgets to sort back, would give each row another row's vector.

        Raises:
            PermanentError: the embedder answers too few vectors, vectors of another length, or in another order.
            RecordError: a vector is not finite, or is zero.
        """
        if len(texts) < 2 or self._began:
            return self._embedded(texts)
        # The first call goes alone: beside others, the two texts would wait until all of those are embedded.
        with self._beginning:
            if not self._began:
                vectors = self._embedded(texts)
                self._began = True
                return vectors
        return self._embedded(texts)

    def _embedded(self, texts: Sequence[str]) -> Vectors:
        vectors = self._embedder.embed(texts)
        self._check_shape(vectors, len(texts))
        if not np.isfinite(vectors).all():
            raise RecordError("the embedder answered a vector that is not finite")
        if not vectors.any(axis=1).all():
            raise RecordError("the embedder answered a vector of zeros, which is near to nothing")
        if not self._keeps_order:
            self._check_order(texts, vectors)
        return vectors

    def _check_shape(self, vectors: Vectors, texts: int) -> None:
        if vectors.ndim != 2 or len(vectors) != texts:
            raise PermanentError(f"the embedder answered {len(vectors)} vectors for {texts} texts", _HINT)
        dimension = vectors.shape[1]
        if self._dimension not in {None, dimension}:
            raise PermanentError(
                f"the embedder answered vectors of {dimension} numbers, and of {self._dimension} before", _HINT
            )
        self._dimension = dimension

    def _check_order(self, texts: Sequence[str], vectors: Vectors) -> None:
        if len(texts) < 2:
            return
        likeness = _cosines(vectors, vectors[:1])
        other = int(likeness.argmin())
        if likeness[other] > _ALIKE:
            return
        again = self._embedder.embed([texts[other], texts[0]])
        self._check_shape(again, 2)
        # A model may answer a little differently in other company, but not half as differently as the other text.
        if _cosines(again, vectors[[other, 0]]).min() < (1 + likeness[other]) / 2:
            raise PermanentError("the embedder answers in another order than it is asked", _HINT)
        self._keeps_order = True


def _cosines(vectors: Vectors, others: Vectors) -> Vectors:
    """Return how near each vector is to its counterpart, or to the only one: 1 where they point the same way."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(others, axis=1)
    found: Vectors = np.sum(vectors * others, axis=1) / lengths
    return found
