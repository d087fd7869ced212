"""Ctrl-C: once to stop at the next batch boundary, twice to stop at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from syncd.signals import answered

SECOND_INTERRUPT = 130


@contextmanager
def on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` in a thread at each SIGINT or SIGTERM in the block, but exit at once at a SIGINT after another."""
    asked = False

    def at_once(number: signal.Signals) -> None:
        nonlocal asked
        if asked and number is signal.SIGINT:
            # Whatever is half done is done again by the next run: nothing was committed for it.
            os._exit(SECOND_INTERRUPT)
        asked = True

    with answered((signal.SIGINT, signal.SIGTERM), lambda _: stop(), at_once):
        yield
