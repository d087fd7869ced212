"""Keeps what is logged during each run, so that it can be read when the run is over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from structlog.contextvars import get_contextvars

from syncd.telemetry.masking import hide_passwords

Line = tuple[int, datetime, str, str]
"""Number from 1, time, level, message."""

_MOST_WAITING = 10_000


class RunLog(logging.Handler):
    """Collects the lines that carry a run's id, until `flush` hands them on.

    Args:
        keep: told a run's id and its new lines; may raise, the lines are then handed on at the next call.
    """

    def __init__(self, keep: Callable[[str, Sequence[Line]], None]) -> None:
        super().__init__(logging.INFO)
        self._keep = keep
        self._numbers: dict[str, int] = {}
        self._waiting: dict[str, list[Line]] = {}
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Collect a line, if it belongs to a run."""
        run = get_contextvars().get("run")
        if run is None:
            return
        line = hide_passwords(record.getMessage())
        with self._guard:
            waiting = self._waiting.setdefault(run, [])
            if len(waiting) >= _MOST_WAITING:
                return
            number = self._numbers[run] = self._numbers.get(run, 0) + 1
            waiting.append((number, datetime.fromtimestamp(record.created, UTC), record.levelname.lower(), line))

    def flush(self) -> None:
        """Hand on what was collected."""
        with self._guard:
            taken, self._waiting = self._waiting, {}
        try:
            for run in list(taken):
                self._keep(run, taken[run])
                del taken[run]
        finally:
            with self._guard:
                for run, lines in taken.items():
                    self._waiting[run] = [*lines, *self._waiting.get(run, [])]

    def forget(self, run: str) -> None:
        """Let go of a run that has ended, after `flush`."""
        with self._guard:
            self._numbers.pop(run, None)
