"""The text chunker keeps the contract with either embedder's tokens."""

from __future__ import annotations

import pytest

from syncd.chunk.text import TextChunker, TextOptions
from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.embed.sentence_transformers import SentenceTransformerEmbedder, SentenceTransformerOptions
from syncd.ports import Chunker, Embedder
from syncd.testing.chunker import ChunkerContract


class TextContract(ChunkerContract):
    """The text chunker."""

    @pytest.fixture(scope="class")
    @classmethod
    def max_tokens(cls) -> int:
        """Small chunks, so that short texts show everything."""
        return 32

    @pytest.fixture(scope="class")
    @classmethod
    def chunker(cls, embedder: Embedder, max_tokens: int) -> Chunker:
        """With an overlap."""
        return TextChunker(TextOptions(max_tokens=max_tokens, overlap=8), embedder)


class TestTextByWords(TextContract):
    """Tokens are words and punctuation marks."""

    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        """The hashing embedder."""
        return HashingEmbedder(HashingOptions())


class TestTextByModelTokens(TextContract):
    """Tokens are the real model's."""

    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        """The sentence-transformers embedder; its model is never loaded here."""
        return SentenceTransformerEmbedder(SentenceTransformerOptions())
