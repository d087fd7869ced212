"""What a job's author decides about its runs besides the schedule: retries, hours of the day, dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, model_validator

from syncd.model.fields import Model, Name

TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class RetryStrategy(StrEnum):
    """How the wait between two attempts of a run grows."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    FIXED = "fixed"
    CUSTOM = "custom"


class Condition(StrEnum):
    """How an upstream run must have ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    ANY = "any"


class Dependency(Model):
    """A job that has to run first."""

    job: Name
    """The name of the job that has to run first."""
    condition: Annotated[Condition, Field(strict=False)] = Condition.COMPLETED
    """How its run must have ended: completed, failed or any."""


class ExecutionWindow(Model):
    """The hours of each day in which runs may go on; `22:00` to `06:00` goes over midnight."""

    start: TimeOfDay
    """When it opens, as HH:MM in the job's timezone."""
    end: TimeOfDay
    """When it closes, as HH:MM in the job's timezone."""

    @model_validator(mode="after")
    def _is_open(self) -> Self:
        if self.start == self.end:
            raise ValueError("start and end are equal, so the window never opens; leave it out to run at any hour")
        return self

    def opening(self, now: datetime, zone: str) -> datetime:
        """Return now while the window is open, else when it opens next."""
        return next(max(opens, now) for opens, closes in self._days(now, zone) if now < closes)

    def closing(self, now: datetime, zone: str) -> datetime:
        """Return when the window that is open, or opens next, closes."""
        return next(closes for _, closes in self._days(now, zone) if now < closes)

    def _days(self, now: datetime, zone: str) -> Iterator[tuple[datetime, datetime]]:
        local = ZoneInfo(zone)
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        for days in range(-1, 3):
            day = now.astimezone(local).date() + timedelta(days=days)
            last = day if start < end else day + timedelta(days=1)
            opens = datetime.combine(day, start, local).astimezone(UTC)
            closes = datetime.combine(last, end, local).astimezone(UTC)
            if opens < closes:
                yield opens, closes
