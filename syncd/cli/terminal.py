"""Writing for people and for programs: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 200


class Terminal:
    """The two streams of a command. Rich loads when something is written."""

    @cached_property
    def out(self) -> Console:
        """Data for people."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """Progress, notes and errors."""
        return _console(stderr=True)

    def data(self, value: Any) -> None:
        """Write a value as the one JSON document of stdout."""
        ascii_only = (sys.stdout.encoding or "").lower() != "utf-8"
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=ascii_only) + "\n")

    def say(self, text: str, style: str = "") -> None:
        """Write a line of text as it is, without markup, to stdout."""
        self.out.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str, style: str = "dim") -> None:
        """Write a line that is not data to stderr."""
        self.err.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def complain(self, message: str, hint: str = "", where: str = "") -> None:
        """Write what is wrong, where, and what to do about it, to stderr."""
        from rich.text import Text

        from syncd.telemetry import hide_passwords

        message, hint = hide_passwords(message), hide_passwords(hint)
        label = Text("error: ", "bold red") if not where else Text(f"{where}: ", "bold")
        self.err.print(label + Text(message), soft_wrap=True, highlight=False)
        if hint:
            self.err.print(Text("  hint: ", "cyan") + Text(hint), soft_wrap=True, highlight=False)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show on a terminal that something is being waited for."""
        if not self.err.is_terminal:
            yield
            return
        with self.err.status(text):
            yield

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        """Write rows of text under column headings to stdout.

        Args:
            columns: the headings.
            rows: as many texts as there are headings, for each row.
            right: the headings of columns that hold numbers.
        """
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
        self.out.print(table)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Where nobody looks at a window's width, lines are cut for nobody's sake.
    return Console(stderr=stderr, width=None if stream.isatty() else WIDE, emoji=False)


_STYLES = {
    "completed": "green",
    "scheduled": "green",
    "serving": "green",
    "running": "cyan",
    "filling": "cyan",
    "canceling": "cyan",
    "completed_with_warnings": "yellow",
    "blocked": "bold red",
    "failed": "red",
    "crashed": "red",
    "timed_out": "red",
    "-": "dim",
}


def _style(cell: str) -> str:
    return _STYLES.get(cell.partition(" ")[0], "")


def shown_error(text: str | None) -> str | None:
    """Return what is known of a failure without any password that a library may have put into it (invariant 10)."""
    from syncd.telemetry import hide_passwords

    return None if text is None else hide_passwords(text)


def moment(at: datetime | None) -> str | None:
    """Write a moment for a program: ISO 8601 in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ago(at: datetime | None, now: datetime) -> str:
    """Write how far a moment lies from now, in the largest unit that fits."""
    if at is None:
        return "-"
    distance = span(abs(now - at))
    return f"{distance} ago" if at <= now else f"in {distance}"


def span(length: timedelta) -> str:
    """Write a length of time in its largest unit."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def number(value: int | None) -> str:
    """Write a count with separators; `?` where it is unknown."""
    return "?" if value is None else f"{value:,}"
