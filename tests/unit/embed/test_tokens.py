"""Texts are tokenized once on their way to the model."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tokenizers import Tokenizer

from syncd.embed.model_files import MINILM, model_folder
from syncd.embed.tokens import Tokens

TEXTS = ["a kettle", "green tea", "a kettle", ""]


class Watched:
    """A tokenizer that remembers what it was asked."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.asked: list[list[str]] = []
        self._tokenizer = tokenizer

    def encode_batch_fast(self, texts: Sequence[str]) -> Any:
        self.asked.append(list(texts))
        return self._tokenizer.encode_batch_fast(list(texts))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """The model's own, cutting nothing off."""
    folder = model_folder(MINILM, None)
    assert folder is not None
    tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def test_each_text_is_tokenized_once(tokenizer: Tokenizer) -> None:
    """Also when some of it, and something else, is asked for next."""
    watched = Watched(tokenizer)
    tokens = Tokens(watched)  # type: ignore[arg-type]
    expected = [tokenizer.encode(text).ids for text in TEXTS]
    assert tokens.of(TEXTS) == tokens.of(TEXTS) == expected
    assert tokens.of(["green tea", "a lamp"]) == [expected[1], tokenizer.encode("a lamp").ids]
    assert [texts for texts in watched.asked if texts] == [["a kettle", "green tea", ""], ["a lamp"]]


def test_only_a_threads_last_texts_are_kept(tokenizer: Tokenizer) -> None:
    """So that a long sync keeps no more than its batches."""
    watched = Watched(tokenizer)
    tokens = Tokens(watched)  # type: ignore[arg-type]
    tokens.of(["a kettle"])
    tokens.of(["green tea"])
    tokens.of(["a kettle"])
    with ThreadPoolExecutor(1) as other:
        other.submit(tokens.of, ["a kettle"]).result()
    assert watched.asked == [["a kettle"], ["green tea"], ["a kettle"], ["a kettle"]]
