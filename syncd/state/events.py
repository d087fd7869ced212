"""What happened to jobs, in order, for people to read."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from syncd.state.database import Database
from syncd.state.schema import events


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job, or to syncd as a whole when `job_id` is None."""

    number: int
    job_id: int | None
    kind: str
    detail: str
    at: datetime


def append(connection: sa.Connection, job_id: int | None, kind: str, detail: str, now: datetime) -> None:
    """Record an event as part of a transaction."""
    connection.execute(sa.insert(events).values(job_id=job_id, kind=kind, detail=detail, at=now))


class Events:
    """The record of events; it is only ever added to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, job_id: int | None, kind: str, detail: str, now: datetime) -> None:
        """Add an event.

        Args:
            job_id: the job it happened to, None for syncd as a whole.
            kind: a short word to look for.
            detail: the rest, for people.
            now: when.
        """
        self._database.write(lambda connection: append(connection, job_id, kind, detail, now))

    def list(self, job_id: int | None = None, limit: int = 100) -> builtins.list[Event]:
        """Return the newest events first, of one job or of all."""
        query = sa.select(events).order_by(events.c.number.desc()).limit(limit)
        if job_id is not None:
            query = query.where(events.c.job_id == job_id)
        return self._database.read(lambda connection: [Event(**row) for row in connection.execute(query).mappings()])
