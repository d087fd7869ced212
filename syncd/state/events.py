"""What happened to jobs and runs, in order, for people to read and for webhooks to tell.

An event is written in the transaction of the change that it speaks of, so neither is ever there without the other.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa

from syncd.model.run import RunStatus
from syncd.model.webhook import EventKind
from syncd.state.database import Database
from syncd.state.schema import events, runs

RESTORED = "state_restored"
"""The kind of event with which a state goes on that was put back from a backup."""

_OF_RUNS = {
    RunStatus.RUNNING: EventKind.RUN_STARTED,
    RunStatus.COMPLETED: EventKind.RUN_COMPLETED,
    RunStatus.COMPLETED_WITH_WARNINGS: EventKind.RUN_COMPLETED,
    RunStatus.FAILED: EventKind.RUN_FAILED,
    RunStatus.TIMED_OUT: EventKind.RUN_FAILED,
    RunStatus.CRASHED: EventKind.RUN_FAILED,
    RunStatus.CANCELED: EventKind.RUN_CANCELED,
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job, or to syncd as a whole when `job_id` is None.

    Args:
        run_number: the run that it happened to, which may be gone by now.
        webhook: the only webhook that it is for; None when it is for all.
    """

    number: int
    job_id: int | None
    kind: str
    detail: str
    at: datetime
    run_number: int | None = None
    webhook: int | None = None


COLUMNS = tuple(events.c[column.name] for column in fields(Event))


def append(
    connection: sa.Connection,
    job_id: int | None,
    kind: str,
    detail: str,
    now: datetime,
    *,
    run_number: int | None = None,
    webhook: int | None = None,
) -> None:
    """Record an event as part of a transaction."""
    values = {"job_id": job_id, "kind": kind, "detail": detail, "at": now}
    connection.execute(sa.insert(events).values(run_number=run_number, webhook=webhook, **values))


def append_run(connection: sa.Connection, number: int, now: datetime) -> None:
    """Record, in the transaction that changed it, what happened to a run, if that is worth an event."""
    run = connection.execute(sa.select(runs.c.job_id, runs.c.status).where(runs.c.number == number)).one()
    kind = _OF_RUNS.get(RunStatus(run.status))
    if kind is not None:
        append(connection, run.job_id, kind, run.status, now, run_number=number)


class Events:
    """The record of events; those of runs go, some time after their runs."""

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
        query = sa.select(*COLUMNS).order_by(events.c.number.desc()).limit(limit)
        if job_id is not None:
            query = query.where(events.c.job_id == job_id)
        return self._database.read(lambda connection: [Event(**row) for row in connection.execute(query).mappings()])

    def prune(self) -> int:
        """Forget the events of runs that are remembered no more, once they were told, and return how many."""
        gone = sa.and_(
            events.c.told_at.is_not(None),
            events.c.run_number.is_not(None),
            ~sa.exists().where(runs.c.number == events.c.run_number),
        )
        return self._database.write(lambda connection: connection.execute(sa.delete(events).where(gone)).rowcount)
