"""What a sweep has met is remembered, and nothing else is taken for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncd.reconcile.seen import Seen

_IDS = st.text(max_size=3)


@given(st.lists(st.lists(_IDS)), st.lists(st.lists(_IDS), min_size=1))
def test_exactly_what_was_never_met_is_unmet(portions: list[list[str]], asked: list[list[str]]) -> None:
    """In the order of the question, however often it is asked."""
    seen = Seen()
    for portion in portions:
        seen.add(portion)
    met = {id_ for portion in portions for id_ in portion}
    for ids in asked:
        assert seen.unmet(ids) == [id_ for id_ in ids if id_ not in met]


def test_ids_that_come_after_a_question_are_met_too() -> None:
    seen = Seen()
    seen.add(["b", "d"])
    assert seen.unmet(["a", "b", "c", "d"]) == ["a", "c"]
    seen.add(iter(["a", "c"]))
    assert seen.unmet(["a", "b", "c", "d", "e"]) == ["e"]
