"""How far a source has been read: lossless, typed, serialisable."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

FilterValue = int | Decimal | str | date | datetime
"""A filter column's value, exactly as the database holds it."""

_READERS: dict[str, Callable[[str], FilterValue]] = {
    "integer": int,
    "decimal": Decimal,
    "text": str,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": lambda text: datetime.fromisoformat(text).astimezone(UTC),
}


def type_name(value: FilterValue) -> str:
    """Name the type under which a filter value is saved."""
    match value:
        case datetime():
            return "timestamp" if value.tzinfo is None else "timestamptz"
        case date():
            return "date"
        case Decimal():
            return "decimal"
        case str():
            return "text"
        case int():
            return "integer"


def filter_value_text(value: FilterValue) -> str:
    """Return the value's one text form: ISO 8601 for times (UTC where a zone is known)."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    return value.isoformat() if isinstance(value, date) else str(value)


def _dump(value: FilterValue) -> list[str]:
    return [type_name(value), filter_value_text(value)]


def read_filter_value(type_name: str, text: str) -> FilterValue:
    """Read back the text form of a value that was saved under this type name.

    Raises:
        ValueError, ArithmeticError: when the text is not of the type.
    """
    return _READERS[type_name](text)


@dataclass(frozen=True, slots=True)
class Observation:
    """The largest filter value that was visible at a moment of the database's clock.

    Once no transaction that was running at that moment is left, no smaller value can still appear.
    """

    value: FilterValue
    clock: datetime


@dataclass(frozen=True, slots=True)
class Watermark:
    """Every row at or below `value` has been read, but for what the lookback covers.

    Args:
        value: None until a first value is safe to pass.
        pending: values seen that a running transaction could still undercut, oldest first.
        seen: the newest value that was read, which may lie ahead of `value`; rows above it are behind schedule.
        floor: where the job was told to begin; rows below it are left out. None when it began at the beginning.
    """

    value: FilterValue | None = None
    pending: tuple[Observation, ...] = ()
    seen: FilterValue | None = None
    floor: FilterValue | None = None

    def dump(self) -> str:
        """Return the watermark as JSON that `load` reads back without loss."""
        return json.dumps(
            {
                "value": None if self.value is None else _dump(self.value),
                "seen": None if self.seen is None else _dump(self.seen),
                "floor": None if self.floor is None else _dump(self.floor),
                "pending": [[*_dump(seen.value), seen.clock.isoformat()] for seen in self.pending],
            }
        )

    @classmethod
    def load(cls, text: str) -> Watermark:
        """Read what `dump` wrote."""
        data = json.loads(text)
        return cls(
            value=None if data["value"] is None else read_filter_value(*data["value"]),
            seen=None if data["seen"] is None else read_filter_value(*data["seen"]),
            floor=None if data["floor"] is None else read_filter_value(*data["floor"]),
            pending=tuple(
                Observation(read_filter_value(kind, text), datetime.fromisoformat(clock))
                for kind, text, clock in data["pending"]
            ),
        )

    def __str__(self) -> str:
        return "none" if self.value is None else filter_value_text(self.value)
