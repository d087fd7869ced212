"""Waits for what must become true, and for no longer than that."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(found: Callable[[], T], seconds: float = 60.0, what: str = "") -> T:
    """Ask again and again until the answer is true, and return it.

    Args:
        found: what is asked.
        seconds: how long to go on.
        what: what the failure says; by default the last answer.
    """
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or answer!r}"
        time.sleep(0.02)
    return answer
