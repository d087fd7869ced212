"""When a job is due: plain arithmetic on aware UTC times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_UNITS = {
    "SECOND": timedelta(seconds=1),
    "MINUTE": timedelta(minutes=1),
    "HOUR": timedelta(hours=1),
    "DAY": timedelta(days=1),
    "WEEK": timedelta(weeks=1),
}
_ALIASES = {"HOURLY": _UNITS["HOUR"], "DAILY": _UNITS["DAY"], "WEEKLY": _UNITS["WEEK"]}
_DURATION = re.compile(r"\s*(\d{1,6})\s+(SECOND|MINUTE|HOUR|DAY|WEEK)S?\s*", re.IGNORECASE | re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read `N SECONDS | MINUTES | HOURS | DAYS | WEEKS`, in any case and spacing.

    Raises:
        ValueError: when the text is not of that form or is zero.
    """
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a duration: write N SECONDS, MINUTES, HOURS, DAYS or WEEKS")
    return int(match[1]) * _UNITS[match[2].upper()]


def parse_interval(text: str) -> timedelta:
    """Read a job's interval: `N MINUTES | HOURS | DAYS | WEEKS`, `HOURLY`, `DAILY` or `WEEKLY`.

    Raises:
        ValueError: when the text is none of these.
    """
    alias = _ALIASES.get(text.strip().upper())
    if alias is not None:
        return alias
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0 or match[2].upper() == "SECOND":
        raise ValueError(
            f"{text!r} is not an interval: write N MINUTES, HOURS, DAYS or WEEKS, or HOURLY, DAILY, WEEKLY"
        )
    return parse_duration(text)


def as_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; a naive one is taken to be UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Ticks at `start + n * interval`, from `start` up to and including `end`.

    Without a start the ticks are anchored to 1970-01-01 UTC, so that they fall on round times.

    Args:
        sweeps: the interval of further ticks, at which the whole table is compared; None for none.
    """

    interval: timedelta
    start: datetime | None = None
    end: datetime | None = None
    sweeps: timedelta | None = None

    @property
    def shortest(self) -> timedelta:
        """The shortest time between two ticks of one kind."""
        return min(self._intervals)

    @property
    def _intervals(self) -> tuple[timedelta, ...]:
        return (self.interval,) if self.sweeps is None else (self.interval, self.sweeps)

    def next_tick(self, after: datetime) -> datetime | None:
        """Return the first tick later than `after`, or None when the schedule has ended."""
        anchor = self.start or EPOCH
        if after < anchor:
            tick = anchor
        else:
            tick = min(anchor + ((after - anchor) // interval + 1) * interval for interval in self._intervals)
        return None if self.end is not None and tick > self.end else tick

    def last_tick(self, now: datetime) -> datetime | None:
        """Return the newest tick at or before `now`, or None when there was none yet."""
        return self._newest(now, self._intervals)

    def last_sweep(self, now: datetime) -> datetime | None:
        """Return the newest tick at or before `now` at which the whole table is compared, or None."""
        return None if self.sweeps is None else self._newest(now, (self.sweeps,))

    def _newest(self, now: datetime, intervals: tuple[timedelta, ...]) -> datetime | None:
        anchor = self.start or EPOCH
        moment = now if self.end is None else min(now, self.end)
        if moment < anchor:
            return None
        return max(anchor + ((moment - anchor) // interval) * interval for interval in intervals)

    def due_tick(self, now: datetime) -> datetime | None:
        """Return the tick whose run may still begin now: the newest; after the end only a tick at the end itself.

        That one, too, is noticed a moment late at best, and waits as long as any other would: for an interval.
        """
        tick = self.last_tick(now)
        if tick is None or not self.ended(now):
            return tick
        return tick if tick == self.end and now < tick + self.interval else None

    def stop_of(self, begun: datetime) -> datetime | None:
        """Return when a run has to stop that was due at `begun`: at the end, unless it was due there or later."""
        return self.end if self.end is not None and begun < self.end else None

    def ended(self, now: datetime) -> bool:
        """Tell whether no tick is left at or after `now`."""
        return self.end is not None and now > self.end
