"""When a message that did not arrive is sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MAX_ATTEMPTS = 12
FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(hours=1)
LONGEST_ASKED = timedelta(days=1)
"""How long a receiver may ask to be left alone; one that asks for longer is asked again after this."""


def next_attempt(attempts: int, now: datetime, chance: float, retry_after: str | None = None) -> datetime | None:
    """Return when to try again, None for never.

    The delay doubles from 10 seconds up to an hour, and up to half of it is left to chance, so that many messages
    that failed together do not come back together.

    Args:
        attempts: how many there were.
        now: when the last one failed.
        chance: a number from 0 to 1.
        retry_after: what the receiver asked for: seconds, or a date of HTTP.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    delay = min(FIRST_DELAY * (1 << (attempts - 1)), LONGEST_DELAY) * (1 - chance / 2)
    return now + max(delay, _asked(retry_after, now))


def _asked(retry_after: str | None, now: datetime) -> timedelta:
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), LONGEST_ASKED)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return timedelta()
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return min(max(moment - now, timedelta()), LONGEST_ASKED)
