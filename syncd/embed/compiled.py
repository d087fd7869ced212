"""A converted model at work: tokens in, unit vectors out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from syncd.embed.batches import batches
from syncd.embed.conversions import Converted
from syncd.embed.tokens import Ids, Tokens
from syncd.embed.vectors import unit
from syncd.errors import TransientError
from syncd.ports import Vectors

Numbers = npt.NDArray[np.int64]
Batch = tuple[Numbers, Numbers]
"""Token ids and their mask, a row for each text."""
Run = Callable[[Iterable[Batch]], Iterator[Vectors]]
"""Reads batches, and yields of each, in their order, a vector for each of its texts."""


class CompiledModel:
    """Embeds texts with a converted model, with its tokenizer and nothing of torch.

    Args:
        converted: the model's files.
        run: runs it.
        tokens: of the original's tokenizer, where somebody else asks for them too.
    """

    def __init__(self, converted: Converted, run: Run, tokens: Tokens | None) -> None:
        self._cutting = Tokenizer.from_file(str(converted.folder / "tokenizer.json"))
        self._tokens = tokens or Tokens(self._cutting)
        self._padding = converted.about.padding
        self._longest = converted.about.max_tokens
        self._dimension = converted.original().shape[1]
        self._run = run

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, in order.

        Raises:
            TransientError: the runtime failed, for want of memory for example.
        """
        tokens = self._cut(texts)
        vectors = np.empty((len(tokens), self._dimension), dtype=np.float32)
        try:
            planned = list(batches([len(ids) for ids in tokens], self._longest))
            read = self._run(self._padded([tokens[row] for row in rows], width) for rows, width in planned)
            for (rows, _), found in zip(planned, read, strict=True):
                vectors[rows] = found
        except Exception as error:  # each runtime raises what it likes
            raise TransientError(f"the converted model failed: {error}", "see whether memory ran out") from error
        return unit(vectors)

    def _cut(self, texts: Sequence[str]) -> list[Ids]:
        """Return each text's ids, no more than the model reads."""
        return [
            ids if len(ids) <= self._longest else self._cutting.encode(text).ids
            for text, ids in zip(texts, self._tokens.of(texts), strict=True)
        ]

    def _padded(self, tokens: Sequence[Ids], width: int) -> Batch:
        ids = np.full((len(tokens), width), self._padding, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, found in enumerate(tokens):
            ids[row, : len(found)] = found
            mask[row, : len(found)] = 1
        return ids, mask
