"""A stage's seconds are those in which somebody was in it."""

from __future__ import annotations

import pytest

from syncd.tally import Tally


def test_two_threads_in_a_stage_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("syncd.tally.time.perf_counter", lambda: now)
    tally = Tally()
    first, second = tally.timed("embed"), tally.timed("embed")
    with tally.timed("write"):
        first.__enter__()
        now = 2.0
        second.__enter__()
        now = 3.0
        first.__exit__(None, None, None)
        now = 7.0
        second.__exit__(None, None, None)
    now = 50.0
    with tally.timed("embed"):
        now = 51.0
    assert tally.stages == {"embed": 8.0, "write": 7.0}


def test_a_stage_that_fails_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("syncd.tally.time.perf_counter", lambda: now)
    tally = Tally()
    with pytest.raises(KeyError), tally.timed("embed"):
        now = 2.0
        raise KeyError
    assert tally.stages == {"embed": 2.0}
