"""Texts of like length share a batch, so that a model reads little but text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]
"""Which of the texts, by their places."""

BATCH_TOKENS = 768
"""Padding included. On a CPU more gains nothing, takes memory, and leaves fewer batches to share among threads."""
FINENESS = 16
"""Widths between two powers of two: a runtime keeps something for every shape that it has met, and so meets few."""


def batches(lengths: Sequence[int], longest: int) -> Iterator[tuple[Rows, int]]:
    """Yield which texts to read together and how wide, the longest first, each text once.

    Args:
        lengths: the texts' lengths in tokens.
        longest: how many tokens the model can read.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.intp), kind="stable")
    start = 0
    while start < len(order):
        width = min(_width(lengths[order[start]]), longest)
        batch = order[start : start + max(1, BATCH_TOKENS // width)]
        yield batch, width
        start += len(batch)


def _width(length: int) -> int:
    step = max(1, (1 << length.bit_length()) // (2 * FINENESS))
    return -(-length // step) * step
