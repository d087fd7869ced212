"""What every embedder must do; subclass it in your tests.

class TestMyEmbedder(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def make_embedder(cls):
        return lambda: MyEmbedder(MyOptions())
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from syncd.errors import RecordError
from syncd.ports import Embedder

TEXTS = (
    "The cat sits on the mat.",
    "A stock market fell sharply after the announcement.",
    "Ünïcödé: 漢字, עברית, 🦜",
    "short",
    "many words " * 500,
    "x" * 3000,
    "a\x00b",
    "",
    " \n ",
)


class EmbedderContract:
    """The suite for the port `Embedder`."""

    @pytest.fixture(scope="class")
    @classmethod
    def make_embedder(cls) -> Callable[[], Embedder]:
        """Return a function that makes the same embedder each time."""
        raise NotImplementedError("override the fixture make_embedder")

    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls, make_embedder: Callable[[], Embedder]) -> Embedder:
        """One embedder for all tests."""
        return make_embedder()

    def test_vectors_are_unit_vectors(self, embedder: Embedder) -> None:
        """One finite float32 unit vector comes back for each text, whatever the text."""
        vectors = embedder.embed(TEXTS)
        assert vectors.dtype == np.float32
        assert vectors.shape[0] == len(TEXTS)
        assert np.isfinite(vectors).all()
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-4)

    def test_no_texts_give_no_vectors(self, embedder: Embedder) -> None:
        """The dimension is known all the same."""
        assert embedder.embed([]).shape == (0, embedder.embed(["x"]).shape[1])
        assert embedder.count_tokens([]) == []

    def test_order_is_kept(self, embedder: Embedder) -> None:
        """A text's vector does not depend on where it stands, or on its neighbours."""
        forward, backward = embedder.embed(TEXTS), embedder.embed(TEXTS[::-1])
        assert forward == pytest.approx(backward[::-1], abs=1e-4)
        assert embedder.embed(TEXTS[:1])[0] == pytest.approx(forward[0], abs=1e-4)

    def test_another_instance_gives_the_same_vectors(
        self, make_embedder: Callable[[], Embedder], embedder: Embedder
    ) -> None:
        """Equal options mean an equal fingerprint and equal vectors."""
        other = make_embedder()
        assert other.fingerprint == embedder.fingerprint
        assert other.embed(TEXTS[:3]) == pytest.approx(embedder.embed(TEXTS[:3]), abs=1e-6)

    def test_similar_texts_are_near(self, embedder: Embedder) -> None:
        """A text is nearer to a variation of itself than to another one."""
        cat, cats, market = embedder.embed(
            ["the cat sat on the mat", "the cats sat on their mat", "stock markets fell sharply"]
        )
        assert cat @ cats > cat @ market + 0.2

    def test_tokens_are_counted_without_a_limit(self, embedder: Embedder) -> None:
        """A text longer than the model reads counts in full, and more text never counts less."""
        once, twice, long = embedder.count_tokens(["word " * 100, "word " * 200, "word " * 20_000])
        assert 100 <= once < twice < long
        assert long >= 20_000

    def test_threads_may_share_it(self, embedder: Embedder) -> None:
        """Embedding and counting from several threads gives what one thread gives."""
        texts = [f"text number {number} " + "word " * number for number in range(40)]
        parts = [texts[start : start + 10] for start in range(0, len(texts), 10)]
        # Of the same parts: a model in bf16 rounds a text a little differently in other company.
        expected = [(embedder.embed(part), embedder.count_tokens(part)) for part in parts]

        def work(number: int) -> tuple[bool, bool]:
            vectors, lengths = expected[number]
            found = embedder.embed(parts[number])
            return bool(np.allclose(found, vectors, atol=1e-4)), embedder.count_tokens(parts[number]) == lengths

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(work, [*range(len(parts))] * 3)) == [(True, True)] * 12

    def test_text_that_is_no_unicode_is_the_rows_fault(self, embedder: Embedder) -> None:
        """A lone surrogate quarantines its row and nothing else."""
        with pytest.raises(RecordError):
            embedder.embed(["fine", "broken \ud800"])

    def test_limits_and_names(self, embedder: Embedder) -> None:
        """The model reads something, and its fingerprint is one line without spaces."""
        assert embedder.max_tokens >= 16
        assert embedder.fingerprint
        assert " " not in embedder.fingerprint
        assert embedder.fingerprint.isprintable()
