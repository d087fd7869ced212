"""Answers signals in a thread of its own.

Python runs a signal's handler in the main thread, between any two instructions, so also where the main thread holds a
lock. A handler that sets an event, logs or starts a thread takes locks too, and would then wait for itself for ever.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from queue import SimpleQueue


@contextmanager
def answered(
    numbers: Collection[signal.Signals],
    answer: Callable[[signal.Signals], None],
    at_once: Callable[[signal.Signals], None] = lambda _: None,
) -> Iterator[None]:
    """Answer each of these signals in a thread, in the order in which they come, while the block runs.

    Enter it in the main thread.

    Args:
        numbers: the signals.
        answer: what to do; may take locks.
        at_once: called in the main thread besides; takes no lock, and may raise to break off the block.
    """
    come: SimpleQueue[signal.Signals | None] = SimpleQueue()

    def handle(number: int, _frame: object) -> None:
        # The one queue whose `put` may interrupt itself, as its documentation promises.
        come.put(signal.Signals(number))
        at_once(signal.Signals(number))

    def listen() -> None:
        while (number := come.get()) is not None:
            answer(number)

    threading.Thread(target=listen, name="signals", daemon=True).start()
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        come.put(None)
