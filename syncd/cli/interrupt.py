"""Ctrl-C: once to stop at the next batch boundary, twice to stop at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECOND_INTERRUPT = 130


@contextmanager
def on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM inside the block, and exit at the second SIGINT."""
    asked = False

    def handle(number: int, _frame: object) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            # Whatever is half done is done again by the next run: nothing was committed for it.
            os._exit(SECOND_INTERRUPT)
        asked = True
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
