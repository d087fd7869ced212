"""Batches are as large as what a model does in a few seconds."""

from __future__ import annotations

from itertools import islice

import pytest

from syncd.pace import FIRST, GROWTH, ITEMS, LEAST, MOST, SECONDS, Pace


def sizes_at(rate: float, length: int, count: int) -> list[int]:
    """Return how many texts of so many characters the first batches have with a model of so many characters/s."""
    now = 0.0
    pace = Pace[str](len, lambda: now)
    found = []
    for batch in islice(pace.batches(["x" * length] * 20_000), count):
        found.append(len(batch))
        with pace.timed(batch):
            now += len(batch) * length / rate
    return found


def test_a_batch_takes_a_model_a_few_seconds() -> None:
    length, rate = 500, 20_000
    assert sizes_at(rate, length, 4)[1:] == [int(rate * SECONDS) // length] * 3


def test_a_slow_model_gets_small_batches() -> None:
    """One that reads three texts in these seconds is asked for three, so that a run stops as soon as with others."""
    assert sizes_at(1000 / SECONDS * 3, 1000, 4) == [FIRST // 1000, 3, 3, 3]


def test_a_model_that_can_do_next_to_nothing_gets_something() -> None:
    assert sizes_at(1.0, 100, 3) == [FIRST // 100, LEAST // 100, LEAST // 100]


def test_batches_grow_step_by_step_and_not_for_ever() -> None:
    """A quick one, of texts that were recalled for example, tells little about the next."""
    sizes = sizes_at(1e9, 2_000, 4)
    assert sizes == [FIRST // 2_000, GROWTH * FIRST // 2_000, MOST // 2_000, MOST // 2_000]
    assert set(sizes_at(1e9, 10, 3)) == {ITEMS}


def test_one_that_is_longer_than_any_batch_goes_alone() -> None:
    assert [len(batch) for batch in Pace[str](len).batches(["x" * (MOST + 1)] * 3)] == [1, 1, 1]


def test_what_fails_teaches_nothing() -> None:
    pace = Pace[str](len)
    batches = pace.batches(["x" * 1_000] * 1_000)
    first = next(batches)
    with pytest.raises(KeyError), pace.timed(first):
        raise KeyError
    assert len(next(batches)) == len(first)
