"""Every embedder keeps the contract, the real model on each of its backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.embed.sentence_transformers import SentenceTransformerEmbedder, SentenceTransformerOptions
from syncd.ports import Embedder
from syncd.testing.embedder import EmbedderContract
from tests.embedding_server import embedding_server


class TestHashing(EmbedderContract):
    """Vectors from hashed words."""

    @pytest.fixture(scope="class")
    @classmethod
    def make_embedder(cls) -> Callable[[], Embedder]:
        """Make it with its defaults."""
        return lambda: HashingEmbedder(HashingOptions())


class SentenceTransformerContract(EmbedderContract):
    """The real model that syncd[minilm] brings, on the CPU, so that every machine computes the same."""

    backend = "auto"

    @pytest.fixture(scope="class")
    @classmethod
    def make_embedder(cls) -> Callable[[], Embedder]:
        """Make it on this backend."""
        options = SentenceTransformerOptions.model_validate({"device": "cpu", "backend": cls.backend})
        return lambda: SentenceTransformerEmbedder(options)


class TestOnTorch(SentenceTransformerContract):
    """As it comes."""

    backend = "torch"


class TestOnOpenVino(SentenceTransformerContract):
    """Converted, in the fastest precision that passes."""

    backend = "openvino"


class TestOnOnnxRuntime(SentenceTransformerContract):
    """Converted the other way."""

    backend = "onnx"


class TestOpenAi(EmbedderContract):
    """Vectors from a server, which answers each request backwards."""

    @pytest.fixture(scope="class")
    @classmethod
    def make_embedder(cls) -> Iterator[Callable[[], Embedder]]:
        """Make it with small requests, so that most calls need several."""
        with embedding_server() as server:
            server.spoil = lambda entries: entries[::-1]
            yield lambda: server.embedder(batch_texts=3)
