"""Reads what an overloaded server asks for: HTTP's `Retry-After`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def parse_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Return how long to wait, None where nothing that can be read was asked for.

    Args:
        text: seconds, or a date of HTTP.
        now: when it was asked.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=int(text[:9]))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(moment - now, timedelta())
