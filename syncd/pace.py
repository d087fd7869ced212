"""Batches that take a model a few seconds, once it is known how fast it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from syncd.portions import portions

SECONDS = 3.0
"""Beside the other batches that are under way: long enough for what comes with every batch to count for little, and
short enough for a run to stop soon."""
FIRST, LEAST, MOST = 32_000, 1_000, 256_000
"""Characters of a batch."""
ITEMS = 500
"""Of a batch, at most."""
GROWTH = 4
"""How many times as large the next batch is at most: one that happened to be quick tells little."""

Item = TypeVar("Item")


class Pace(Generic[Item]):
    """Learns from each batch how large the next one may be.

    Args:
        characters: how long an item's text is.
        clock: seconds that go by.
    """

    def __init__(self, characters: Callable[[Item], int], clock: Callable[[], float] = time.perf_counter) -> None:
        self._characters = characters
        self._clock = clock
        self._most = FIRST

    def batches(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Cut into batches, each as large as is known when it is asked for; one has an item at least."""
        return portions(items, ITEMS, self._characters, lambda: self._most)

    @contextmanager
    def timed(self, batch: Sequence[Item]) -> Iterator[None]:
        """Learn from the time that the block takes for a batch."""
        begun = self._clock()
        yield
        seconds = max(self._clock() - begun, 1e-3)
        possible = int(sum(map(self._characters, batch)) / seconds * SECONDS)
        self._most = max(LEAST, min(MOST, possible, self._most * GROWTH))
