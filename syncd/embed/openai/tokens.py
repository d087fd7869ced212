"""How long texts are: counted as the server's model counts, or estimated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from syncd.errors import PermanentError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LIKE_A_TOKEN = re.compile(r"[A-Za-z]{1,4}|\S")
_SPECIAL = 2
"""Tokens that a model adds to each text."""


class Tokens(Protocol):
    """Counts a text's tokens, and cuts texts that have too many."""

    @property
    def fingerprint(self) -> str:
        """Name the way of counting: it decides where texts are split and cut. Raises PermanentError."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Count each text's tokens, special ones included. Raises PermanentError."""
        ...

    def cut(self, text: str, limit: int) -> str:
        """Return the beginning of a text that has more than `limit` tokens, as much as has no more."""
        ...


def tokens_of(tokenizer: str | None) -> Tokens:
    """Return what counts by this tokenizer, or what estimates where there is none."""
    return EstimatedTokens() if tokenizer is None else ExactTokens(Path(tokenizer).expanduser())


class EstimatedTokens:
    """Takes four letters of a to z, or one other character that is no space, for a token.

    For English documentation that is 14 % (WordPiece of MiniLM) to 38 % (a byte-level vocabulary of 131,000) too many,
    at the median. It can be too few for languages that a vocabulary was not made for, and for rows of emoji or spaces.
    """

    fingerprint = "estimate-1"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Estimate each text's tokens."""
        return [sum(1 for _ in _LIKE_A_TOKEN.finditer(text)) + _SPECIAL for text in texts]

    def cut(self, text: str, limit: int) -> str:
        """Return the beginning of a text that has more than `limit` tokens, as much as has no more."""
        last = next(islice(_LIKE_A_TOKEN.finditer(text), limit - _SPECIAL - 1, None))
        return text[: last.end()]


class ExactTokens:
    """Counts with the model's own tokenizer.

    Args:
        place: a `tokenizer.json`, or the folder that one is in.
    """

    def __init__(self, place: Path) -> None:
        self._file = place / "tokenizer.json" if place.is_dir() else place

    @cached_property
    def fingerprint(self) -> str:
        """Name the tokenizer by its content, wherever it lies. Raises PermanentError."""
        return f"sha256-{sha256(self._content).hexdigest()[:32]}"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Count each text's tokens, special ones included, and none cut off. Raises PermanentError."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def cut(self, text: str, limit: int) -> str:
        """Return the beginning of a text that has more than `limit` tokens, as much as has no more."""
        kept = limit - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        # The last word of a beginning may have more tokens than it had as part of a longer one.
        while self.count([text])[0] > limit:
            offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
            text = text[: min(offsets[kept - 1][1], len(text) - 1)]
        return text

    @cached_property
    def _content(self) -> bytes:
        try:
            return self._file.read_bytes()
        except OSError as error:
            raise PermanentError(
                f"the tokenizer {self._file} cannot be read: {error.strerror}", "correct the embedder's tokenizer"
            ) from error

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_buffer(self._content)
        except Exception as error:  # the library raises plain ones
            raise PermanentError(
                f"{self._file} is no tokenizer: {error}", "the embedder's tokenizer must be a model's tokenizer.json"
            ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
