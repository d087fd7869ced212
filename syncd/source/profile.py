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
    return tuple(_profile(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=False))


def _profile(name: str, values: Sequence[Any]) -> ColumnProfile:
    lengths = [len(text_of(value)) for value in values if value is not None]
    return ColumnProfile(
        name=name,
        null_share=1 - len(lengths) / len(values),
        mean_length=sum(lengths) / len(lengths) if lengths else 0.0,
        longest=max(lengths, default=0),
    )
