"""The types of a definition's fields, and the base of every value that a person writes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema

from syncd.model.schedule import as_utc, parse_duration, parse_interval

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Column = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=128)]


def _checked_interval(text: str) -> str:
    parse_interval(text)
    return " ".join(text.upper().split())


def _checked_duration(text: str) -> str:
    parse_duration(text)
    return " ".join(text.upper().split())


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone: write a name such as UTC or Europe/Berlin") from error
    return name


def _read_moment(value: object) -> object:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError(f"{value!r} is not a time: write ISO 8601, such as 2026-01-31T00:00:00") from error
    return value


def _in_any_case(*words: str) -> str:
    return "|".join("".join(f"[{letter}{letter.lower()}]" for letter in word) for word in words)


_AMOUNT = r"[1-9][0-9]{0,5}\s+"
_LONG_UNITS = _in_any_case("MINUTE", "HOUR", "DAY", "WEEK")
_ALIASES = _in_any_case("HOURLY", "DAILY", "WEEKLY")
_INTERVALS = rf"^\s*({_AMOUNT}({_LONG_UNITS})[Ss]?|{_ALIASES})\s*$"
_DURATIONS = rf"^\s*{_AMOUNT}({_in_any_case('SECOND')}|{_LONG_UNITS})[Ss]?\s*$"

# The patterns only describe: the functions say better what is wrong.
Interval = Annotated[str, AfterValidator(_checked_interval), WithJsonSchema({"type": "string", "pattern": _INTERVALS})]
Duration = Annotated[str, AfterValidator(_checked_duration), WithJsonSchema({"type": "string", "pattern": _DURATIONS})]
Zone = Annotated[str, AfterValidator(_checked_zone)]
Moment = Annotated[
    datetime,
    BeforeValidator(_read_moment),
    AfterValidator(as_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Model(BaseModel):
    """A frozen value that refuses unknown fields and does not guess types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
