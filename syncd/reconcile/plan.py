"""An embedder for runs that are only planned: it measures a sample, and makes up the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from syncd.ports import Embedder, Vectors

SAMPLED_BATCHES = 8
SAMPLED_TEXTS = 4
"""Texts of each of the first batches that are really embedded, to see how long that takes."""


class Estimator:
    """Answers in an embedder's place, and tells how long the embedder would have taken.

    Args:
        embedder: the real one.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._batches = 0
        self._characters = 0
        self._sampled_characters = 0
        self._sampled_seconds = 0.0

    @property
    def fingerprint(self) -> str:
        """The embedder's."""
        return self._embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        """The embedder's."""
        return self._embedder.max_tokens

    @property
    def seconds(self) -> float:
        """How long the embedder would take for all texts that were asked for, once it is loaded."""
        if not self._sampled_characters:
            return 0.0
        return self._sampled_seconds * self._characters / self._sampled_characters

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count as the embedder does."""
        return self._embedder.count_tokens(texts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors that mean nothing, of shape (len(texts), 1)."""
        self._characters += sum(map(len, texts))
        if self._batches < SAMPLED_BATCHES:
            self._measure(texts[:: max(1, len(texts) // SAMPLED_TEXTS)][:SAMPLED_TEXTS])
        self._batches += 1
        return np.ones((len(texts), 1), dtype=np.float32)

    def _measure(self, texts: Sequence[str]) -> None:
        if self._batches == 0:
            # The first call loads the model.
            self._embedder.embed(texts[:1])
        begun = time.perf_counter()
        self._embedder.embed(texts)
        self._sampled_seconds += time.perf_counter() - begun
        self._sampled_characters += sum(map(len, texts))
