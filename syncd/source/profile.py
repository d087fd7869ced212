"""What a sample of rows says about the texts that will be embedded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncd.model.canonical import text_of
from syncd.ports import ColumnProfile


def profile(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[ColumnProfile, ...]:
    """Return each column's share of NULLs and its lengths, so that its owner can judge the chunking.

    Args:
        names: the content columns.
        rows: a sample of their values, in the same order.
    """
    import pandas as pd

    if not rows:
        return ()
    frame = pd.DataFrame.from_records([tuple(row) for row in rows], columns=list(names)).astype(object)
    lengths = frame.map(lambda value: len(text_of(value)), na_action="ignore")
    return tuple(
        ColumnProfile(
            name=name,
            null_share=float(frame[name].isna().mean()),
            mean_length=float(lengths[name].mean()) if frame[name].notna().any() else 0.0,
            longest=int(lengths[name].max()) if frame[name].notna().any() else 0,
        )
        for name in names
    )
