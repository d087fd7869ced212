"""What a run has done so far, and what it tells and asks while it works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, get_args

from syncd.flood import FloodGuard
from syncd.model.run import Counts
from syncd.model.watermark import Watermark

Step = Literal["read", "embedded", "written", "updated", "removed", "listed", "commit", "committed"]
"""A place in a run at which tests stop or kill it; its name says what has just been done, `commit` what comes next."""

STEPS: tuple[Step, ...] = get_args(Step)


@dataclass(slots=True)
class Tally:
    """What a run has done so far, in counts and in seconds per stage; several threads may add to it.

    A stage's seconds are those in which at least one thread was in it. Stages that go on side by side add up to more
    than the time that has passed.

    Args:
        total: how many rows lie ahead in all, None while that is unknown.
    """

    counts: Counts = Counts()
    stages: dict[str, float] = field(default_factory=dict)
    total: int | None = None
    watermark: Watermark = Watermark()
    _inside: dict[str, tuple[int, float]] = field(default_factory=dict, repr=False, compare=False)
    _adding: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def progress(self) -> float | None:
        """The share of the rows that are done, 0 to 1."""
        if not self.total:
            return None
        return min(1.0, self.counts.records_read / self.total)

    def add(self, **counts: int) -> None:
        """Count more of what `Counts` names."""
        with self._adding:
            self.counts += Counts(**counts)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        with self._adding:
            inside, since = self._inside.get(stage, (0, 0.0))
            self._inside[stage] = (inside + 1, since if inside else time.perf_counter())
        try:
            yield
        finally:
            with self._adding:
                inside, since = self._inside[stage]
                self._inside[stage] = (inside - 1, since)
                if inside == 1:
                    self.stages[stage] = self.stages.get(stage, 0.0) + time.perf_counter() - since


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a run tells and asks while it works.

    Args:
        boundary: called between batches; raises to stop there.
        progress: called after each batch.
        reached: called with the name of each step, for tests that stop the process there.
        flood: told of each row that cannot be synced; raises when they are too many.
    """

    boundary: Callable[[], None] = lambda: None
    progress: Callable[[Tally], None] = lambda tally: None
    reached: Callable[[Step], None] = lambda step: None
    flood: FloodGuard = field(default_factory=FloodGuard)
