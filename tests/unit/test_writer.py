"""Whatever items of a batch are at fault, exactly those are found, and for little."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import PermanentError, RecordError
from syncd.flood import FloodGuard
from syncd.model.record import Reject
from syncd.writer import Fault, isolated


@given(st.lists(st.booleans(), max_size=300) | st.integers(0, 300).map(lambda size: [True] * size))
def test_exactly_the_items_at_fault_are_found(bad: list[bool]) -> None:
    written: list[int] = []
    found: list[tuple[int, str]] = []
    tried = 0

    def write(items: Sequence[int]) -> list[int]:
        nonlocal tried
        assert items
        tried += len(items)
        for item in items:
            if bad[item]:
                raise RecordError(f"item {item}")
        return list(items)

    for outcome in isolated(range(len(bad)), write):
        match outcome:
            case Fault(item, error):
                found.append((item, error.message))
            case items:
                written.extend(items)
    assert found == [(n, f"item {n}") for n, no in enumerate(bad) if no]
    assert written == [n for n, no in enumerate(bad) if not no]
    assert tried <= 6 * len(bad)
    if all(bad):
        assert tried <= 3 * len(bad)


def rejects(first: int, last: int) -> list[Reject]:
    """Rows that failed."""
    return [Reject(str(n), "refused") for n in range(first, last + 1)]


def test_a_flood_is_many_rows_and_a_large_share_that_are_no_dead_letters_yet() -> None:
    guard = FloodGuard(10, {str(n) for n in range(1, 51)})
    guard.read(1000)
    guard.reject(rejects(1, 150))
    guard.reject(rejects(1, 150))
    with pytest.raises(PermanentError, match="101 of the 1000 rows that this run has read"):
        guard.reject(rejects(151, 151))
    few = FloodGuard(10)
    few.read(10)
    few.reject(rejects(1, 10))
    with pytest.raises(PermanentError):
        few.reject(rejects(11, 11))
