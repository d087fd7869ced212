"""The queue: which runs are asked for, and what each waits for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.errors import Fault, KeyReused
from syncd.model.job import Job
from syncd.model.run import FAILED, PENDING, Gate, Request, Run, RunOptions, RunStatus
from syncd.state import fencing
from syncd.state.database import Database
from syncd.state.run_rows import all_runs, enqueued, find
from syncd.state.schema import run_keys, runs

KEY_LIFETIME = timedelta(days=1)
_TOO_LATE = "it did not begin before it expired"


class Queue:
    """The runs that have not begun, of all jobs; each job has at most one plain one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue(self, job: Job, request: Request, now: datetime, options: RunOptions = RunOptions()) -> Run:
        """Ask for a run of the job, and return the run that answers.

        A tick that finds another run pending or going on becomes a skipped run; the same tick told twice stays one. A
        plain run that waits for a later moment begins at the tick instead. Any other plain request becomes part of the
        plain run that waits already, if there is one; a request with options of its own becomes a run of its own.

        Args:
            job: the job to run.
            request: who asks, and when the run may begin.
            now: when it is asked for.
            options: how the run differs from the job's habit.

        Raises:
            NotFound: the state does not hold the job.
        """

        def work(connection: sa.Connection) -> Run:
            fencing.lock(connection, job.id)
            return enqueued(connection, job, request, now, options)

        return self._database.write(work)

    def enqueue_all(
        self, job: Job, wanted: Sequence[tuple[Request, RunOptions]], now: datetime
    ) -> list[tuple[Run, bool]]:
        """Ask for several runs as `enqueue` does: all of them or none; a request that is known gets its earlier run.

        Returns:
            For each request the run, and whether it was known: by its key, or as one like it within the time that its
            `alike_since` says.

        Raises:
            KeyReused: a key is known from another request.
        """

        def work(connection: sa.Connection) -> list[tuple[Run, bool]]:
            fencing.lock(connection, job.id)
            connection.execute(sa.delete(run_keys).where(run_keys.c.job_id == job.id, run_keys.c.expires_at <= now))
            return [_answered(connection, job, request, now, options) for request, options in wanted]

        return self._database.write(work)

    def pending(self) -> list[Run]:
        """Return the runs of all jobs that have not begun, oldest first."""
        return self._database.read(lambda connection: all_runs(connection, runs.c.status.in_(PENDING)))

    def set_gate(self, run: Run, gate: Gate, now: datetime) -> None:
        """Let a run that has not begun wait for this, or for nothing but a worker."""

        def work(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(runs)
                .where(runs.c.number == run.number, runs.c.status == run.status)
                .values(status=gate.status, reason=gate.reason, updated_at=now)
            )

        self._database.write(work)

    def expire(self, run: Run, now: datetime) -> None:
        """End a run that has not begun, because nobody wants it any more."""

        def work(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(runs)
                .where(runs.c.number == run.number, runs.c.status.in_(PENDING))
                .values(status=RunStatus.EXPIRED, reason=None, error=_TOO_LATE, finished_at=now, updated_at=now)
            )

        self._database.write(work)


def _answered(
    connection: sa.Connection, job: Job, request: Request, now: datetime, options: RunOptions
) -> tuple[Run, bool]:
    known = _by_key(connection, job, request) or _alike(connection, job, request)
    run = known or enqueued(connection, job, request, now, options)
    if request.key is not None and (known is None or not _has_key(connection, job, request.key)):
        values = {"digest": request.digest, "run_number": run.number, "expires_at": now + KEY_LIFETIME}
        connection.execute(sa.insert(run_keys).values(job_id=job.id, key=request.key, **values))
    return run, known is not None


def _has_key(connection: sa.Connection, job: Job, key: str) -> bool:
    query = sa.select(run_keys.c.key).where(run_keys.c.job_id == job.id, run_keys.c.key == key)
    return connection.scalar(query) is not None


def _by_key(connection: sa.Connection, job: Job, request: Request) -> Run | None:
    if request.key is None:
        return None
    query = sa.select(run_keys).where(run_keys.c.job_id == job.id, run_keys.c.key == request.key)
    known = connection.execute(query).one_or_none()
    if known is None:
        return None
    if known.digest != request.digest:
        fault = "was used for another request within a day: choose a new one for each request"
        raise KeyReused([Fault("idempotency_key", fault)])
    return find(connection, known.run_number)


def _alike(connection: sa.Connection, job: Job, request: Request) -> Run | None:
    """Return the newest run of an equal request, unless it failed, expired or was canceled."""
    if request.alike_since is None:
        return None
    conditions = (
        runs.c.job_id == job.id,
        runs.c.digest == request.digest,
        runs.c.created_at >= request.alike_since,
        runs.c.status.not_in((*FAILED, RunStatus.CANCELED, RunStatus.EXPIRED, RunStatus.SKIPPED)),
    )
    found = all_runs(connection, *conditions, order=runs.c.number.desc(), limit=1)
    return found[0] if found else None
