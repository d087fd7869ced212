"""How a row that was deleted is noticed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from syncd.model.fields import Column, Interval, Model
from syncd.model.schedule import parse_interval

GUARDED_FROM = 100
"""How many documents a sweep removes at least before it asks."""


class Deletes(Model):
    """How a deleted row is noticed."""

    mode: Literal["none", "soft", "sweep"] = "none"
    """none: rows are never removed; soft: a column marks deleted rows; sweep: now and then the whole table is compared,
    what has no row any more is removed, and what differs is synced, whatever its filter value says."""
    column: Column | None = None
    """With soft, the marking column: deleted where it is true, or not NULL for any other type. It must move the filter
    column."""
    interval: Interval | None = None
    """With sweep, how often the whole table is compared; default 1 DAY."""
    max_delete_fraction: Annotated[float, Field(ge=0, le=1, strict=False)] | None = None
    """With sweep, the largest share of the documents that one sweep removes by itself; default 0.2. One that would
    remove more, and at least 100, removes nothing and waits for `syncd jobs approve`."""

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if (self.mode == "soft") != (self.column is not None):
            raise ValueError("mode soft needs a column, and only mode soft takes one")
        if self.mode != "sweep" and (self.interval, self.max_delete_fraction) != (None, None):
            raise ValueError("only mode sweep takes an interval and a max_delete_fraction")
        return self

    @property
    def sweep_interval(self) -> timedelta | None:
        """How often the table is swept; None for never."""
        return parse_interval(self.interval or "1 DAY") if self.mode == "sweep" else None

    def is_too_many(self, orphans: int, documents: int) -> bool:
        """Tell whether one sweep may not remove so many of so many documents by itself."""
        share = 0.2 if self.max_delete_fraction is None else self.max_delete_fraction
        return orphans >= GUARDED_FROM and orphans > share * documents
