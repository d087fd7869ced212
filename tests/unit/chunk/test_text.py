"""What the text chunker promises beyond the contract: overlap, limits, speed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from pydantic import ValidationError

from syncd.chunk.text import TextChunker, TextOptions
from syncd.embed.hashing import HashingEmbedder, HashingOptions

WORDS = HashingEmbedder(HashingOptions())


class ShortSighted(HashingEmbedder):
    """A model that reads 12 tokens."""

    @property
    def max_tokens(self) -> int:
        return 12


class Counting(HashingEmbedder):
    """Notes how much text it was asked to count."""

    def __init__(self, options: HashingOptions) -> None:
        super().__init__(options)
        self.calls = 0
        self.characters = 0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        self.calls += 1
        self.characters += sum(map(len, texts))
        return super().count_tokens(texts)


def numbered_words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(count))


def test_chunks_overlap() -> None:
    """The end of a chunk comes again at the start of the next, as far as words allow, over the whole text."""
    [chunks] = TextChunker(TextOptions(max_tokens=40, overlap=10), WORDS).split([numbered_words(5000)])
    for chunk, following in pairwise(chunks):
        repeated = set(chunk.split()) & set(following.split())
        assert 1 <= len(repeated) <= 12


def test_without_overlap_no_word_comes_twice() -> None:
    """`overlap: 0` cuts the text into parts."""
    [chunks] = TextChunker(TextOptions(max_tokens=40, overlap=0), WORDS).split([numbered_words(5000)])
    assert " ".join(chunks).split() == numbered_words(5000).split()


def test_chunks_are_reasonably_full() -> None:
    """Even text is not cut finer than it must be."""
    [chunks] = TextChunker(TextOptions(max_tokens=100, overlap=0), WORDS).split([numbered_words(10_000)])
    assert len(chunks) <= 150


def test_the_models_own_limit_counts() -> None:
    """A model that reads less than max_tokens gets chunks that it reads whole."""
    embedder = ShortSighted(HashingOptions())
    [chunks] = TextChunker(TextOptions(), embedder).split([numbered_words(100)])
    assert max(embedder.count_tokens(chunks)) <= 12


def test_paragraphs_stay_together() -> None:
    """A text is cut between its paragraphs where they fit."""
    paragraphs = [f"Paragraph {number} begins. " + "It goes on. " * 6 for number in range(4)]
    [chunks] = TextChunker(TextOptions(max_tokens=40, overlap=0), WORDS).split(["\n\n".join(paragraphs)])
    assert chunks == [paragraph.strip() for paragraph in paragraphs]


def test_the_work_grows_with_the_text() -> None:
    """A megabyte is counted a few times, not hundreds of times: texts of 10 MB are common enough."""
    embedder = Counting(HashingOptions())
    text = "The quick brown fox, jumps over the lazy dog.\n" * 22_000
    [chunks] = TextChunker(TextOptions(), embedder).split([text])
    assert len(chunks) > 500
    assert embedder.characters < 6 * len(text)
    assert embedder.calls < len(chunks)


def test_short_texts_are_counted_in_one_call() -> None:
    """Most texts are short."""
    embedder = Counting(HashingOptions())
    TextChunker(TextOptions(), embedder).split(["short"] * 100)
    assert embedder.calls == 1


def test_the_fingerprint_names_the_options() -> None:
    """Another size or overlap makes another knowledge base."""
    assert TextChunker(TextOptions(max_tokens=100, overlap=7), WORDS).fingerprint == "text:100:7"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_tokens": 7, "overlap": 0}, "greater than or equal to 8"),
        ({"max_tokens": 64}, "at most 31"),
        ({"max_tokens": 10, "overlap": 5}, "at most 4"),
        ({"overlap": -1}, "greater than or equal to 0"),
        ({"size": 3}, "not permitted"),
    ],
)
def test_bad_options(options: dict[str, object], said: str) -> None:
    """The message says what would be right."""
    with pytest.raises(ValidationError, match=said):
        TextOptions.model_validate(options)
