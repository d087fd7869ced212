"""When a message that did not arrive is sent again."""

from __future__ import annotations

from datetime import datetime, timedelta

from syncd.model.retry_after import parse_retry_after

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
    asked = parse_retry_after(retry_after, now) or timedelta()
    return now + max(delay, min(asked, LONGEST_ASKED))
