"""Log lines: for people on a terminal, as JSON elsewhere, each with the job and the run that it belongs to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from json import dumps
from typing import TextIO

from structlog.contextvars import bound_contextvars, get_contextvars
from structlog.processors import format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

from syncd.telemetry.masking import hide_passwords

_HANDLER = "syncd"
_CONTEXT = ("job", "run")
_CONTINUED = "\n  | "
_NOISY = (
    "alembic",
    "apscheduler",
    "chromadb",
    "httpcore",
    "httpx",
    "sentence_transformers",
    "transformers",
    "uvicorn",
)


def setup_logging(stream: TextIO, *, json: bool | None = None, level: int | str = logging.INFO) -> None:
    """Send every log line of the process to one stream; calling it again replaces what an earlier call set up.

    Data cannot forge a line: JSON escapes control characters, and so does the other form, which starts each further
    line of a message or traceback with a bar. Passwords in URLs are hidden (invariant 10).

    Args:
        stream: where the lines go.
        json: one JSON object a line, or lines for people; None decides by whether the stream is a terminal.
        level: the least level that is shown; libraries that talk much show nothing below WARNING.
    """
    if json is None:
        json = not stream.isatty()
    render: Processor = _as_json if json else _as_line
    handler = logging.StreamHandler(stream)
    handler.set_name(_HANDLER)
    handler.setFormatter(ProcessorFormatter(processors=[format_exc_info, _fields, render]))
    root = logging.getLogger()
    for earlier in [known for known in root.handlers if known.get_name() == _HANDLER]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)


@contextmanager
def bound(job: str, run: str) -> Iterator[None]:
    """Make every line that is logged inside carry this job's name and this run's id, lines of libraries too.

    It holds for the calling thread; a thread that is started inside keeps it when it runs in
    `contextvars.copy_context()`.
    """
    with bound_contextvars(job=job, run=run):
        yield


def _fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    context = get_contextvars()
    fields = {
        "timestamp": moment.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": hide_passwords(str(event["event"])),
    }
    fields |= {name: str(context[name]) for name in _CONTEXT if name in context}
    if "exception" in event:
        fields["exception"] = hide_passwords(event["exception"])
    return fields


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    # Escaping everything beyond ASCII also covers line separators and control characters of other scripts.
    return dumps(event, ensure_ascii=True)


def _as_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    time = datetime.fromisoformat(event["timestamp"]).astimezone().strftime("%H:%M:%S")
    first, *rest = event["message"].split("\n")
    context = "".join(f"  {name}={event[name]}" for name in _CONTEXT if name in event)
    lines = [f"{time} {event['level'].upper():<7} {first}{context}", *rest]
    if "exception" in event:
        lines += event["exception"].split("\n")
    return _CONTINUED.join(_printable(line) for line in lines)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
