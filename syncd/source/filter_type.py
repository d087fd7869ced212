"""What a filter column's type means for reading in order: how to step back, and where a fence falls.

Times can be compared with the database's clock, so a fence bounds them directly. Numbers and texts cannot; for them
the watermark waits until no transaction is left that ran when a value was first seen (`Observation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from syncd.errors import PermanentError, RecordError
from syncd.model.schedule import parse_duration
from syncd.model.watermark import FilterValue, read_filter_value, type_name

DEFAULT_TIME_LOOKBACK = timedelta(minutes=5)
DEFAULT_NUMBER_LOOKBACK = 1000


class FilterType(Protocol):
    """One kind of filter column."""

    @property
    def name(self) -> str:
        """What `syncd check` calls the type."""
        ...

    @property
    def saved_as(self) -> str:
        """The type name under which a watermark of this column is saved."""
        ...

    @property
    def reread_after(self) -> timedelta:
        """How long rows inside the lookback may change places unseen before they are read again."""
        ...

    def read(self, raw: object) -> FilterValue:
        """Turn what the driver returned into a filter value, or raise RecordError."""
        ...

    def bind(self, value: FilterValue) -> object:
        """Turn a filter value into what the driver compares without loss."""
        ...

    def order(self, value: FilterValue) -> Any:
        """Return a key that Python orders as the database does, or None where only the database can compare."""
        ...

    def back(self, value: FilterValue) -> FilterValue:
        """Return the value one lookback below, rounded down."""
        ...

    def fenced(self, instant: datetime) -> FilterValue | None:
        """Return the largest value that nothing running at `instant` can undercut; None where the type has no time."""
        ...


@dataclass(frozen=True, slots=True)
class NumberType:
    """Integers, decimals and double-precision floats."""

    name: str
    lookback: int

    @property
    def saved_as(self) -> str:
        return "integer" if self.name == "integer" else "decimal"

    @property
    def reread_after(self) -> timedelta:
        return DEFAULT_TIME_LOOKBACK

    def read(self, raw: object) -> FilterValue:
        if self.name == "integer" and isinstance(raw, int):
            return int(raw)
        try:
            value = Decimal(raw)  # type: ignore[arg-type]  # any other type raises, and is reported below
        except (ArithmeticError, TypeError, ValueError) as error:
            raise RecordError(f"the filter value {raw!r} is not a number") from error
        if not value.is_finite() or (self.name == "integer" and value != int(value)):
            raise RecordError(f"the filter value {raw!r} is not a finite {self.name}")
        return int(value) if self.name == "integer" else value

    def bind(self, value: FilterValue) -> object:
        assert isinstance(value, int | Decimal)
        return float(value) if self.name == "float" and value != int(value) else value

    def order(self, value: FilterValue) -> Any:
        return value

    def back(self, value: FilterValue) -> FilterValue:
        assert isinstance(value, int | Decimal)
        return value - self.lookback

    def fenced(self, instant: datetime) -> FilterValue | None:
        return None


@dataclass(frozen=True, slots=True)
class TextType:
    """Texts, which only the database can compare, by its own collation."""

    name: str = "text"
    saved_as: str = "text"

    @property
    def reread_after(self) -> timedelta:
        return DEFAULT_TIME_LOOKBACK

    def read(self, raw: object) -> FilterValue:
        if not isinstance(raw, str):
            raise RecordError(f"the filter value {raw!r} is not a text")
        return raw

    def bind(self, value: FilterValue) -> object:
        return value

    def order(self, value: FilterValue) -> Any:
        return None

    def back(self, value: FilterValue) -> FilterValue:
        return value

    def fenced(self, instant: datetime) -> FilterValue | None:
        return None


@dataclass(frozen=True, slots=True)
class InstantType:
    """Timestamps that name an instant.

    Args:
        naive_utc: the driver hands the instant over, and takes it back, as a naive time in UTC.
    """

    lookback: timedelta
    naive_utc: bool = False
    name: str = "timestamp with time zone"
    saved_as: str = "timestamptz"

    @property
    def reread_after(self) -> timedelta:
        return self.lookback

    def read(self, raw: object) -> FilterValue:
        if not isinstance(raw, datetime):
            raise RecordError(f"the filter value {raw!r} is outside the years 1 to 9999")
        return raw.replace(tzinfo=UTC) if self.naive_utc else raw.astimezone(UTC)

    def bind(self, value: FilterValue) -> object:
        assert isinstance(value, datetime)
        return value.replace(tzinfo=None) if self.naive_utc else value

    def order(self, value: FilterValue) -> Any:
        return value

    def back(self, value: FilterValue) -> FilterValue:
        assert isinstance(value, datetime)
        return earlier(value, self.lookback)

    def fenced(self, instant: datetime) -> FilterValue | None:
        return instant


@dataclass(frozen=True, slots=True)
class LocalTimeType:
    """Timestamps without a zone, written in the zone that the job declares."""

    lookback: timedelta
    zone: ZoneInfo
    name: str = "timestamp without time zone"
    saved_as: str = "timestamp"

    @property
    def reread_after(self) -> timedelta:
        return self.lookback

    def read(self, raw: object) -> FilterValue:
        if not isinstance(raw, datetime):
            raise RecordError(f"the filter value {raw!r} is outside the years 1 to 9999")
        return raw.replace(tzinfo=None)

    def bind(self, value: FilterValue) -> object:
        return value

    def order(self, value: FilterValue) -> Any:
        return value

    def back(self, value: FilterValue) -> FilterValue:
        assert isinstance(value, datetime)
        return earlier(value, self.lookback)

    def fenced(self, instant: datetime) -> FilterValue | None:
        return closed_local(instant, self.zone)


@dataclass(frozen=True, slots=True)
class DateType:
    """Calendar dates; today's rows are read again until the day is over, because the lower bound is inclusive."""

    lookback: timedelta
    zone: ZoneInfo
    name: str = "date"
    saved_as: str = "date"

    @property
    def reread_after(self) -> timedelta:
        return self.lookback

    def read(self, raw: object) -> FilterValue:
        if not isinstance(raw, date) or isinstance(raw, datetime):
            raise RecordError(f"the filter value {raw!r} is outside the years 1 to 9999")
        return raw

    def bind(self, value: FilterValue) -> object:
        return value

    def order(self, value: FilterValue) -> Any:
        return value

    def back(self, value: FilterValue) -> FilterValue:
        assert isinstance(value, date)
        return earlier(datetime.combine(value, time.min), self.lookback).date()

    def fenced(self, instant: datetime) -> FilterValue | None:
        return closed_local(instant, self.zone).date()


def closed_local(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return a naive local time so that it and all before it cannot come again after `instant`.

    In the hour that a clock set back repeats, a row stamped 02:05 may still follow one stamped 02:55; the first time
    round the answer is therefore an hour earlier.
    """
    local = instant.astimezone(zone)
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    assert first is not None
    assert second is not None
    naive = local.replace(tzinfo=None, fold=0)
    return naive - (first - second) if local.fold == 0 and first > second else naive


def earlier(value: datetime, by: timedelta) -> datetime:
    """Subtract, and stop at the calendar's first moment."""
    try:
        return value - by
    except OverflowError:
        return datetime.min.replace(tzinfo=value.tzinfo)


def time_lookback(lookback: str | int | None) -> timedelta:
    """Read a job's lookback for a column of times."""
    if isinstance(lookback, int):
        raise PermanentError(f"lookback {lookback} is a count, but the filter column holds times", "write 5 MINUTES")
    return DEFAULT_TIME_LOOKBACK if lookback is None else parse_duration(lookback)


def number_lookback(lookback: str | int | None) -> int:
    """Read a job's lookback for a column of numbers."""
    if isinstance(lookback, str):
        raise PermanentError(f"lookback {lookback!r} is a duration, but the filter column holds numbers", "write 1000")
    return DEFAULT_NUMBER_LOOKBACK if lookback is None else lookback


def initial_value(filter_type: FilterType, initial: str | int) -> FilterValue:
    """Read a job's `initial` value as a value of the filter column."""
    try:
        value = read_filter_value(filter_type.saved_as, str(initial))
    except (ValueError, ArithmeticError) as error:
        raise PermanentError(
            f"initial: {initial!r} is not a value of the filter column, which holds a {filter_type.name}"
        ) from error
    if type_name(value) != filter_type.saved_as:
        raise PermanentError(f"initial: {initial!r} is not a {filter_type.name}")
    return value
