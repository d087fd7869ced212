"""Texts are read in batches of like length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncd.embed.batches import BATCH_TOKENS, FINENESS, batches


@given(st.lists(st.integers(1, 300), max_size=400))
def test_each_text_is_read_once_and_fits(lengths: list[int]) -> None:
    """Whatever the lengths, no batch is wider than the model or larger than the budget, and little of it is padding."""
    read = []
    for batch, width in batches(lengths, 300):
        held = [lengths[place] for place in batch]
        assert max(held) <= width <= min(300, max(held) * (1 + 1 / FINENESS))
        assert len(held) == 1 or len(held) * width <= BATCH_TOKENS
        read += held
        assert read == sorted(lengths, reverse=True)[: len(read)]
    assert len(read) == len(lengths)


def test_one_long_text_is_a_batch() -> None:
    """A text that is longer than the budget is read all the same."""
    assert [(list(batch), width) for batch, width in batches([10, 8000], 8192)] == [([1], 8192), ([0], 10)]


def test_shapes_are_few() -> None:
    """Texts of every length make few shapes, which a runtime keeps something for."""
    lengths = list(range(1, 257)) * 50
    assert len({(len(batch), width) for batch, width in batches(lengths, 256)}) < 80
