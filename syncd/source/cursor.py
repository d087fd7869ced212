"""How far a watermark may move: never past a row that a running transaction could still add."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from syncd.model.watermark import FilterValue, Observation, Watermark
from syncd.source.filter_type import FilterType

MOST_PENDING = 16


@dataclass(frozen=True, slots=True)
class Fence:
    """What may still be uncommitted; it holds for every snapshot that is taken later.

    Args:
        instant: no row with a stamp before it can be uncommitted.
        clock: the database's clock, read before anything else was asked.
        oldest: nothing that runs began before it; None when nothing runs.
        warnings: what keeps the fence from seeing everything.
        held_still: something may run whose start cannot be known, so no watermark may move.
    """

    instant: datetime
    clock: datetime
    oldest: datetime | None = None
    warnings: tuple[str, ...] = ()
    held_still: bool = False

    def settled(self, watermark: Watermark) -> list[FilterValue]:
        """Return the observed values that nothing running can undercut any more, oldest first."""
        if self.held_still:
            return []
        return [seen.value for seen in watermark.pending if self.oldest is None or seen.clock <= self.oldest]


def observe(watermark: Watermark, value: FilterValue, clock: datetime) -> Watermark:
    """Note that `value` was the largest one visible just before `clock`.

    The list stays short: dropping an observation only delays the watermark.
    """
    pending = [seen for seen in watermark.pending if seen.value != value]
    kept = [*pending[: MOST_PENDING // 2], *pending[MOST_PENDING // 2 :][-(MOST_PENDING // 2 - 1) :]]
    already = [seen for seen in watermark.pending if seen.value == value]
    return replace(watermark, pending=(*kept, already[0] if already else Observation(value, clock)))


def advance(watermark: Watermark, last: FilterValue, fence: Fence, filter_type: FilterType) -> Watermark:
    """Move a watermark to the last row read, as far as the fence allows, and never back.

    Args:
        last: the filter value of the newest row that is covered.
        fence: taken before the snapshot in which the row, and any other row of its pass, was read.

    Returns:
        The watermark for columns that Python can compare; a column of texts keeps its watermark here.
    """
    order = filter_type.order
    if order(last) is None:
        return replace(watermark, seen=last)
    present = filter_type.fenced(fence.clock)
    watermark = replace(watermark, seen=last if present is None else min(last, present, key=order))
    bound = filter_type.fenced(fence.instant)
    if bound is None:
        bound = max(fence.settled(watermark), key=order, default=None)
    if bound is None or fence.held_still:
        return watermark
    reached = min(last, bound, key=order)
    if watermark.value is not None:
        reached = max(watermark.value, reached, key=order)
    pending = tuple(seen for seen in watermark.pending if order(seen.value) > order(reached))
    return replace(watermark, value=reached, pending=pending)
