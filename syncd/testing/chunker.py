"""What every chunker must do; subclass it in your tests.

class TestMyChunker(ChunkerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls): ...
    @pytest.fixture(scope="class")
    @classmethod
    def chunker(cls, embedder):
        return MyChunker(MyOptions(max_tokens=64), embedder)
    @pytest.fixture(scope="class")
    @classmethod
    def max_tokens(cls):
        return 64
"""

from __future__ import annotations

import random

import pytest

from syncd.ports import Chunker, Embedder

PROSE = "The first sentence is here. The second one, a little longer, follows it.\n\n"
LONG_TEXTS = {
    "prose": "".join(PROSE.replace("first", f"{number}th") for number in range(200)),
    "one line": "word " * 3000,
    "no spaces": "x" * 8000,
    "han": "漢字仮名交じり文" * 400,
    "emoji": "👩‍👩‍👧‍👦🇩🇪e\u0301" * 300,
    "nul": "a\x00b\x00" * 2000,
    "separators": "a\x1c\x1db\u2028c\u3000" * 1500,
    "code": "def f(x):\n    return {'a': [x ** 2, (x + 1) % 7]}\n\n\n" * 200,
    "dense then thin": "!?#" * 3000 + " internationalisation" * 1500,
    "blank middle": "start " + " \n" * 20_000 + " end",
}


class ChunkerContract:
    """The suite for the port `Chunker`."""

    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        """Return the embedder whose tokens the chunker counts."""
        raise NotImplementedError("override the fixture embedder")

    @pytest.fixture(scope="class")
    @classmethod
    def chunker(cls, embedder: Embedder) -> Chunker:
        """Return a chunker."""
        raise NotImplementedError("override the fixture chunker")

    @pytest.fixture(scope="class")
    @classmethod
    def max_tokens(cls) -> int:
        """Return the longest chunk that the chunker may make, in tokens."""
        raise NotImplementedError("override the fixture max_tokens")

    def test_short_texts_stay_whole(self, chunker: Chunker) -> None:
        """What fits is not touched, not even its white space."""
        assert chunker.split(["short", "  two\nlines ", "ünï 🦜"]) == [["short"], ["  two\nlines "], ["ünï 🦜"]]

    def test_texts_without_anything_visible_have_no_chunks(self, chunker: Chunker) -> None:
        """There is nothing to embed in them."""
        assert chunker.split(["", " ", "\n\t\u3000\x1c"]) == [[], [], []]
        assert chunker.split([]) == []

    @pytest.mark.parametrize("name", LONG_TEXTS)
    def test_chunks_fit_and_lose_nothing(
        self, chunker: Chunker, embedder: Embedder, max_tokens: int, name: str
    ) -> None:
        """Each chunk fits the model and shows something; together they hold every visible character, in order."""
        text = LONG_TEXTS[name]
        [chunks] = chunker.split([text])
        assert all(chunk.strip() for chunk in chunks)
        assert max(embedder.count_tokens(chunks)) <= max_tokens
        assert_covers(text, chunks)

    @pytest.mark.parametrize("seed", range(5))
    def test_senseless_texts_lose_nothing(
        self, chunker: Chunker, embedder: Embedder, max_tokens: int, seed: int
    ) -> None:
        """Also not where words, signs and white space alternate without any sense."""
        dice = random.Random(seed)  # noqa: S311 - repeatable is what it must be
        letters = "abc defg\n\n.,!? \t\x00äß漢🦜\u0301" * 3 + " " * 10
        texts = ["".join(dice.choices(letters, k=dice.randrange(1, 6000))) for _ in range(5)]
        for text, chunks in zip(texts, chunker.split(texts), strict=True):
            assert_covers(text, chunks)
            assert max(embedder.count_tokens(chunks), default=0) <= max_tokens

    def test_texts_do_not_influence_each_other(self, chunker: Chunker) -> None:
        """A text is split the same way alone and among others, today and tomorrow."""
        texts = list(LONG_TEXTS.values())
        assert chunker.split(texts) == [chunker.split([text])[0] for text in texts]

    def test_its_fingerprint_is_one_word(self, chunker: Chunker) -> None:
        """It becomes part of the knowledge base's."""
        assert chunker.fingerprint
        assert " " not in chunker.fingerprint


def assert_covers(text: str, chunks: list[str]) -> None:
    """Each chunk is a piece of the text, and in their order they cover all of it but white space."""
    covered = 0
    for chunk in chunks:
        visible = len(text) - len(text[covered:].lstrip())
        # Of equal pieces, the last one that leaves nothing out is meant.
        found = text.rfind(chunk, 0, visible + len(chunk))
        assert found >= 0, f"{text[visible:][:50]!r} is lost before {chunk[:50]!r}"
        covered = max(covered, found + len(chunk))
    assert not text[covered:].strip(), f"{text[covered:][:50]!r} is lost at the end"
