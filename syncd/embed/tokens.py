"""Tokenizes a text once, however often it is asked for on its way to the model."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer

Ids = list[int]


class Tokens:
    """The token ids of texts; each thread's last ones are kept, because a text is split, counted and read in turn.

    Args:
        tokenizer: cuts nothing off and pads nothing.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._thread = threading.local()

    def of(self, texts: Sequence[str]) -> list[Ids]:
        """Return each text's ids, its special tokens included; the caller leaves them as they are."""
        last: Mapping[str, Ids] = getattr(self._thread, "last", {})
        new = [text for text in dict.fromkeys(texts) if text not in last]
        found = {**last, **dict(zip(new, (one.ids for one in self._tokenizer.encode_batch_fast(new)), strict=True))}
        self._thread.last = {text: found[text] for text in texts}
        return [found[text] for text in texts]
