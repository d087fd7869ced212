"""The benchmark's texts are as long as its page says."""

from __future__ import annotations

from random import Random
from statistics import mean

import pytest

from benchmarks.peers.table import LONG
from benchmarks.peers.texts import text
from syncd.embed.sentence_transformers import SentenceTransformerEmbedder, SentenceTransformerOptions


@pytest.mark.parametrize(("sentences", "tokens"), [(1, 19), (LONG, 1050)])
def test_texts_have_as_many_tokens_as_the_page_says(sentences: int, tokens: int) -> None:
    """The two by which it knows a text's ends are among them."""
    random = Random(1)
    texts = [text(random, key, sentences) for key in range(1000, 1200)]
    model = SentenceTransformerEmbedder(SentenceTransformerOptions())
    assert mean(model.count_tokens(texts)) == pytest.approx(tokens, rel=0.05)
