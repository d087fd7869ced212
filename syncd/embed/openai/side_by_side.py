"""Makes a few calls at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def side_by_side(calls: Sequence[Callable[[], T]], most: int, given_up: threading.Event) -> list[T]:
    """Make calls, at most so many at once, and return what they return, in order.

    When one raises, no more are begun; it is raised when those that are under way have ended.

    Args:
        calls: what to call.
        most: how many at once, of which one is in this thread.
        given_up: set when a call has raised, so that the others can end sooner.
    """
    waiting = deque(enumerate(calls))
    done: dict[int, T] = {}
    failures: list[Exception] = []

    def work() -> None:
        while not given_up.is_set():
            try:
                number, call = waiting.popleft()
            except IndexError:
                return
            try:
                done[number] = call()
            except Exception as error:
                failures.append(error)
                given_up.set()

    # An executor's threads would keep a process that has to stop alive until the last answer.
    threads = [
        threading.Thread(target=copy_context().run, args=[work], name="embed", daemon=True)
        for _ in range(min(most, len(calls)) - 1)
    ]
    for thread in threads:
        thread.start()
    try:
        work()
        for thread in threads:
            thread.join()
    finally:
        # An interrupt does not wait for the others.
        given_up.set()
    if failures:
        raise failures[0]
    return [done[number] for number in range(len(calls))]
