"""No order of the steps of two writers and of a poll loses a row; every order is tried, none is drawn by lot."""

from __future__ import annotations

import itertools

import pytest

from tests.fault.cases import Case
from tests.fault.interleavings import Choose, blind_fence, explore, outcome_of
from tests.fault.writers import HARMLESS, SEEN, UNSEEN, with_lookback


def each(*cases: Case) -> pytest.MarkDecorator:
    """Each case that is quick; `python -m benchmarks.interleavings` runs them all, with more orders of each."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases if case.quick])


@pytest.fixture
def url(case: Case, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database on the case's server."""
    return str(request.getfixturevalue(f"{case.kind}_url"))


def test_every_sequence_of_choices_is_made_once() -> None:
    made: list[tuple[int, ...]] = []

    def run(choose: Choose) -> bool:
        first = choose(2)
        made.append((first, choose(3)) if first else (first,))
        return True

    assert explore(run) == 4
    assert made == [(0,), *itertools.product([1], range(3))]


@each(*SEEN, *HARMLESS)
def test_no_order_loses_a_row_that_the_fence_can_see(case: Case, url: str) -> None:
    outcome = outcome_of(case, url)
    print(f"{case.name}: {outcome.schedules} orders, {len(outcome.lost)} lost a row, {outcome.seconds:.1f} s")
    assert outcome.schedules > 20
    assert outcome.lost == []
    assert outcome.warnings == set()


@each(*SEEN)
def test_some_order_loses_a_row_where_a_clock_stands_in_for_the_fence(case: Case, url: str) -> None:
    assert outcome_of(case, url, fence=blind_fence, first=True).lost


@each(*UNSEEN)
def test_what_no_fence_can_see_is_lost_without_a_lookback(case: Case, url: str) -> None:
    assert outcome_of(case, url, first=True).lost


@each(*UNSEEN)
def test_no_order_loses_a_row_inside_the_lookback(case: Case, url: str) -> None:
    outcome = outcome_of(with_lookback(case), url)
    print(f"{case.name}: {outcome.schedules} orders, {len(outcome.lost)} lost a row, {outcome.seconds:.1f} s")
    assert outcome.schedules > 20
    assert outcome.lost == []
    assert bool(case.warning) == bool(outcome.warnings)
    assert all(case.warning in warning for warning in outcome.warnings)
