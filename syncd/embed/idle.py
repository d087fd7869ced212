"""Something dear that is made when it is needed, and let go when nobody has needed it for a while."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

Thing = TypeVar("Thing")


class Timer(Protocol):
    """What calls once, later, unless it is cancelled."""

    def cancel(self) -> None:
        """Do not call; a call that has begun goes on."""
        ...


StartTimer = Callable[[timedelta, Callable[[], None]], Timer]


def start_timer(after: timedelta, call: Callable[[], None]) -> Timer:
    """Call in a thread of its own that keeps no process alive."""
    timer = threading.Timer(after.total_seconds(), call)
    timer.daemon = True
    timer.start()
    return timer


class Idle(Generic[Thing]):
    """Lends a thing to any number of threads, and lets go of it once it has been idle for long enough.

    Args:
        make: makes the thing; what it raises is raised by `lend`, and the next one to ask tries again.
        after: how long it may idle; None for ever.
        start: starts the timer.
    """

    def __init__(
        self, make: Callable[[], Thing], after: timedelta | None = None, start: StartTimer = start_timer
    ) -> None:
        self._make = make
        self._after = after
        self._start = start
        self._lock = threading.Lock()
        self._thing: Thing | None = None
        self._users = 0
        self._loans = 0
        self._timer: Timer | None = None

    @contextmanager
    def lend(self) -> Iterator[Thing]:
        """Lend the thing; while it is lent it stays."""
        thing = self._taken()
        try:
            yield thing
        finally:
            del thing
            self._returned()

    def _taken(self) -> Thing:
        with self._lock:
            if self._thing is None:
                self._thing = self._make()
            self._users += 1
            self._loans += 1
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return self._thing

    def _returned(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._after is not None:
                loans = self._loans
                self._timer = self._start(self._after, lambda: self._expire(loans))

    def _expire(self, loans: int) -> None:
        with self._lock:
            # A timer that could not be cancelled any more finds that the thing was lent again.
            if self._loans != loans:
                return
            self._thing = self._timer = None
        _give_memory_back()


def _give_memory_back() -> None:
    """Collect what is left, and have the C library return it to the system; it would keep it for later."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
