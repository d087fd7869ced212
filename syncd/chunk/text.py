"""Splits texts where they pause: between paragraphs, sentences, words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from pydantic import BaseModel, Field, model_validator
from semantic_text_splitter import TextSplitter

from syncd.errors import Fault
from syncd.model.fields import Model
from syncd.ports import Embedder

_CAUTION = 0.85
"""The share of a chunk that is filled by estimate, so that few chunks turn out too long."""

_PIECE = 5_000
"""Characters of a long text that are split at once: the splitter's work grows faster than its text."""


class TextOptions(Model):
    """Options of the `text` chunker."""

    max_tokens: int = Field(default=256, ge=8)
    """The longest chunk, in tokens of the embedder's model; where the model reads less, its own limit counts.
    Texts up to this length stay whole."""

    overlap: int = Field(default=32, ge=0)
    """How many tokens of a chunk are repeated at the start of the next one; less than half of `max_tokens`."""

    @model_validator(mode="after")
    def _overlap_is_small(self) -> Self:
        if self.overlap * 2 >= self.max_tokens:
            raise ValueError(f"overlap must be less than half of max_tokens: at most {(self.max_tokens - 1) // 2}")
        return self


class TextChunker:
    """Splits a text into the largest natural pieces that the model reads whole.

    Nothing is lost: every character that is not white space is in some chunk.
    """

    Options = TextOptions

    @classmethod
    def objection(cls, options: TextOptions, configured: Sequence[BaseModel]) -> Fault | None:
        """Say what in the options must not come from a request: nothing."""
        return None

    def __init__(self, options: TextOptions, embedder: Embedder) -> None:
        self._options = options
        self._embedder = embedder

    @property
    def fingerprint(self) -> str:
        """Name everything that decides where texts are split."""
        return f"text:{self._options.max_tokens}:{self._options.overlap}"

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return each text's chunks, in order; every chunk holds at least one character that is not white space.

        Raises:
            PermanentError: the embedder's tokenizer cannot be loaded.
            RecordError: a text is not valid Unicode.
        """
        limit = min(self._options.max_tokens, self._embedder.max_tokens)
        lengths = self._embedder.count_tokens(texts)
        return [
            list(_visible([text] if length <= limit else self._split_long(text, length, limit)))
            for text, length in zip(texts, lengths, strict=True)
        ]

    def _split_long(self, text: str, tokens: int, limit: int) -> Iterator[str]:
        """Split by characters, which is quick, as many as hold the limit in this text; then mend what is too long."""
        characters = len(text) / tokens * _CAUTION
        capacity = max(1, int(limit * characters))
        overlap = min(int(self._options.overlap * characters), (capacity - 1) // 2)
        splitter = TextSplitter(capacity, overlap=overlap)
        chunks = [chunk for piece in _coarse_pieces(text, capacity, overlap) for chunk in splitter.chunks(piece)]
        for chunk, length in zip(chunks, self._embedder.count_tokens(chunks), strict=True):
            if length <= limit:
                yield chunk
            elif length <= 4 * limit:
                yield from self._split_exactly(chunk, limit)
            else:
                yield from self._split_long(chunk, length, limit)

    def _split_exactly(self, text: str, limit: int) -> Iterator[str]:
        overlap = min(self._options.overlap, (limit - 1) // 2)
        splitter = TextSplitter.from_callback(
            lambda part: self._embedder.count_tokens([part])[0], limit, overlap=overlap
        )
        yield from splitter.chunks(text)


def _visible(chunks: Iterable[str]) -> Iterator[str]:
    return (chunk for chunk in chunks if chunk.strip())


def _coarse_pieces(text: str, capacity: int, overlap: int) -> Iterator[str]:
    """Cut a long text at the last paragraph, line or space before every so many characters, and overlap the pieces."""
    size = max(_PIECE, 4 * capacity)
    start = 0
    while len(text) - start > size:
        end = _pause(text, start + size // 2, start + size)
        yield text[start:end]
        start = text.find(" ", end - overlap, end) + 1 or end
    yield text[start:]


def _pause(text: str, start: int, end: int) -> int:
    for pause in ("\n\n", "\n", " "):
        found = text.rfind(pause, start, end)
        if found >= 0:
            return found + len(pause)
    return end
