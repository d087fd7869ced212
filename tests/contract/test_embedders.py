"""Both embedders keep the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.embed.sentence_transformers import SentenceTransformerEmbedder, SentenceTransformerOptions
from syncd.ports import Embedder
from syncd.testing.embedder import EmbedderContract


class TestHashing(EmbedderContract):
    """Vectors from hashed words."""

    @pytest.fixture(scope="class")
    @classmethod
    def make_embedder(cls) -> Callable[[], Embedder]:
        """Make it with its defaults."""
        return lambda: HashingEmbedder(HashingOptions())


class TestSentenceTransformer(EmbedderContract):
    """The real model that syncd[minilm] brings."""

    @pytest.fixture(scope="class")
    @classmethod
    def make_embedder(cls) -> Callable[[], Embedder]:
        """Make it on the CPU, so that every machine computes the same."""
        return lambda: SentenceTransformerEmbedder(SentenceTransformerOptions(device="cpu"))
