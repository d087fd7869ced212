"""Portions are as large as number and weight allow, and nothing is lost between them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syncd.portions import portions


@given(st.lists(st.integers(0, 20)), st.integers(1, 5), st.integers(1, 30))
def test_portions_are_full_and_not_too_heavy(items: list[int], most: int, heaviest: int) -> None:
    cut = list(portions(items, most, lambda item: item, lambda: heaviest))
    assert [item for portion in cut for item in portion] == items
    assert all(0 < len(portion) <= most for portion in cut)
    assert all(len(portion) == 1 or sum(portion) <= heaviest for portion in cut)
    assert all(len(one) == most or sum(one) + following[0] > heaviest for one, following in pairwise(cut))


def test_the_weight_may_change_between_two_portions() -> None:
    allowed = 2
    cut = portions([1] * 9, 100, lambda item: item, lambda: allowed)
    assert next(cut) == [1, 1]
    allowed = 5
    assert next(cut) == [1] * 5
