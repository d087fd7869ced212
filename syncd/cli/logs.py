"""Where the log lines of a command go: to stderr, past a progress bar that may be drawn there."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOBase
from typing import TextIO, cast

from syncd.telemetry import setup_logging


class _Stderr(TextIOBase):
    """Whatever sys.stderr is at the moment: a progress bar puts itself in its place to stay below what is written."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def log_to_stderr() -> None:
    """Show warnings on a terminal, where the command tells the rest itself, and every line elsewhere."""
    stream = cast(TextIO, _Stderr())
    level = logging.WARNING if stream.isatty() else logging.INFO
    setup_logging(stream, level=logging.DEBUG if os.environ.get("SYNCD_DEBUG") == "1" else level)
    if stream.isatty():
        for handler in logging.getLogger().handlers:
            handler.addFilter(_untold)


def _untold(record: logging.LogRecord) -> bool:
    """Drop the line that says how a run ended, since the command says it."""
    return record.name != "syncd.runner" or record.levelno != logging.ERROR or record.exc_info is not None
