"""What was logged during each run."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from syncd.state.database import Database
from syncd.state.schema import run_lines

KEPT_LINES = 2000
"""Lines that are kept of each run."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One line of a run's log; `line` counts from 1."""

    line: int
    at: datetime
    level: str
    message: str


class RunLines:
    """The log lines of runs; each run's first `KEPT_LINES` are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, run_number: int, lines: Sequence[RunLine]) -> None:
        """Add lines to a run's log; a line that is there already stays as it is."""
        rows = [
            {"run_number": run_number, "line": line.line, "at": line.at, "level": line.level, "message": line.message}
            for line in lines
            if line.line <= KEPT_LINES
        ]
        if rows:
            insert = self._database.upsert(run_lines).on_conflict_do_nothing()
            self._database.write(lambda connection: connection.execute(insert, rows))

    def list(self, run_number: int, after: int = 0, limit: int = KEPT_LINES) -> builtins.list[RunLine]:
        """Return a run's lines in order.

        Args:
            after: only later ones than this.
            limit: how many at most.
        """
        query = (
            sa.select(run_lines.c.line, run_lines.c.at, run_lines.c.level, run_lines.c.message)
            .where(run_lines.c.run_number == run_number, run_lines.c.line > after)
            .order_by(run_lines.c.line)
            .limit(limit)
        )
        return self._database.read(lambda connection: [RunLine(*row) for row in connection.execute(query)])
