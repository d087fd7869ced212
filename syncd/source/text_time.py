"""Times that SQLite keeps as text, which it orders by their characters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from syncd.errors import RecordError
from syncd.model.watermark import FilterValue
from syncd.source.filter_type import closed_local, earlier

_FORM = re.compile(r"\d{4}-\d\d-\d\d(?:([ T])\d\d:\d\d(:\d\d)?(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?)?")
_DATE_GLOB = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


@dataclass(frozen=True, slots=True)
class TextTimeType:
    """One way of writing times as text, in which the order of characters is the order of times.

    A missing fraction sorts rightly before a written one unless a `Z` follows; so with `Z` the number of digits is
    part of the form, and the offset always is.

    Args:
        separator: a space, `T`, or nothing for dates.
        seconds: whether seconds are written.
        digits: of the fraction, None where their number may vary.
        suffix: `Z`, an offset, or nothing.
    """

    lookback: timedelta
    zone: ZoneInfo
    separator: str = " "
    seconds: bool = True
    digits: int | None = None
    suffix: str = ""
    saved_as: str = "text"

    @classmethod
    def of(cls, text: str, lookback: timedelta, zone: ZoneInfo) -> TextTimeType | None:
        """Return the form that a text is written in, None when it is not a time."""
        match = _FORM.fullmatch(text)
        if match is None or _moment(text) is None:
            return None
        suffix = match[4] or ""
        digits = len(match[3] or "") if suffix == "Z" else None
        return cls(lookback, zone, match[1] or "", match[2] is not None, digits, suffix)

    @property
    def name(self) -> str:
        if not self.separator:
            return "date written YYYY-MM-DD"
        fraction = {None: "[.f]", 0: ""}.get(self.digits, f".{'f' * (self.digits or 0)}")
        return f"time written YYYY-MM-DD{self.separator}HH:MM{':SS' if self.seconds else ''}{fraction}{self.suffix}"

    @property
    def reread_after(self) -> timedelta:
        return self.lookback

    def globs(self) -> tuple[str, ...]:
        """Return GLOB patterns; a text in this form matches at least one of them."""
        if not self.separator:
            return (_DATE_GLOB,)
        base = f"{_DATE_GLOB}{self.separator}[0-9][0-9]:[0-9][0-9]" + (":[0-9][0-9]" if self.seconds else "")
        counts = range(10) if self.digits is None else (self.digits,)
        return tuple(base + (f".{'[0-9]' * n}" if n else "") + self.suffix for n in counts)

    def read(self, raw: object) -> FilterValue:
        if not isinstance(raw, str) or TextTimeType.of(raw, self.lookback, self.zone) != self:
            raise RecordError(f"the filter value {raw!r} is not a {self.name}")
        return raw

    def bind(self, value: FilterValue) -> object:
        return value

    def order(self, value: FilterValue) -> Any:
        return _moment(str(value))

    def back(self, value: FilterValue) -> FilterValue:
        moment = _moment(str(value))
        assert moment is not None
        return self._write(earlier(moment, self.lookback))

    def fenced(self, instant: datetime) -> FilterValue | None:
        if not self.suffix:
            return self._write(closed_local(instant, self.zone))
        offset = _moment(f"2000-01-01T00:00{self.suffix}")
        assert offset is not None
        return self._write(instant.astimezone(offset.tzinfo))

    def _write(self, moment: datetime) -> str:
        """Write a moment so that no text of the same or a later moment sorts before it."""
        text = moment.strftime("%Y-%m-%d").zfill(10)
        if not self.separator:
            return text
        text += self.separator + moment.strftime("%H:%M:%S" if self.seconds else "%H:%M")
        if self.digits:
            text += "." + f"{moment.microsecond:06d}000"[: self.digits]
        return text + self.suffix


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
