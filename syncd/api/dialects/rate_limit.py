"""How many requests each caller may make in an hour."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left.

    Args:
        limit: how many requests the caller may make in a window.
        remaining: how many of them are left.
        seconds: until all of them are there again, rounded up.
    """

    limit: int
    remaining: int
    seconds: int


class RateLimit:
    """Counts each caller's requests, in windows of an hour that begin with the first of them.

    Args:
        limit: how many a window has.
        clock: tells the time, aware and in UTC.
    """

    def __init__(self, limit: int, clock: Callable[[], datetime]) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str | None, tuple[datetime, int]] = {}

    def take(self, caller: str | None) -> Allowance | None:
        """Count a request and return what is left after it; None when there was nothing left for it."""
        with self._lock:
            begun, count = self._window(caller)
            if count >= self._limit:
                return None
            self._windows[caller] = (begun, count + 1)
            return self._allowance(begun, count + 1)

    def look(self, caller: str | None) -> Allowance:
        """Return what is left, and count nothing."""
        with self._lock:
            return self._allowance(*self._window(caller))

    def _window(self, caller: str | None) -> tuple[datetime, int]:
        now = self._clock()
        begun, count = self._windows.get(caller, (now, 0))
        # A clock that was set back must not make the window longer.
        return (begun, count) if begun <= now < begun + WINDOW else (now, 0)

    def _allowance(self, begun: datetime, count: int) -> Allowance:
        seconds = math.ceil((begun + WINDOW - self._clock()).total_seconds())
        return Allowance(self._limit, self._limit - count, seconds)
