"""Each classic bug, put back by changing one place, is noticed by a check that passes without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sabotage.bugs import BUGS, Bug
from tests.sabotage.reading import Check, Place

CHECKS = list(dict.fromkeys(bug.check for bug in BUGS))


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """Where a check works; PostgreSQL is there for those that ask for it."""
    return Place(tmp_path, lambda: str(request.getfixturevalue("postgres_url")))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_check_passes_on_syncd_as_it_is(check: Check, place: Place) -> None:
    check(place)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_bug_is_noticed(bug: Bug, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    there = bug.owner.__dict__[bug.place]
    monkeypatch.setattr(bug.owner, bug.place, bug.replacement(there))
    # What a check says, or that something did not raise; any other error would be the bug's own clumsiness.
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        bug.check(place)
