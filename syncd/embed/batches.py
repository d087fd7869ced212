"""Texts of like length share a batch, so that a model reads little but text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

BATCH_TOKENS = 2048
"""Padding included. On a CPU more gains nothing, and takes memory; fewer leave it waiting."""
STEP = 16
"""Widths are multiples of it: a runtime keeps something for every shape that it has met, and so meets few."""


def batches(lengths: Sequence[int], longest: int) -> Iterator[tuple[npt.NDArray[np.intp], int]]:
    """Yield which texts to read together and how wide, the longest first, each text once.

    Args:
        lengths: the texts' lengths in tokens.
        longest: how many tokens the model can read.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.intp), kind="stable")
    start = 0
    while start < len(order):
        width = min(-(-lengths[order[start]] // STEP) * STEP, longest)
        batch = order[start : start + max(1, BATCH_TOKENS // width)]
        yield batch, width
        start += len(batch)
