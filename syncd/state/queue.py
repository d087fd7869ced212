"""The queue: which runs are asked for, and what each waits for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from syncd.errors import Fault, KeyReused
from syncd.model.job import Job
from syncd.model.run import FAILED, PENDING, Gate, Request, Run, RunOptions, RunStatus
from syncd.state import fencing
from syncd.state.database import Database
from syncd.state.run_rows import all_runs, enqueued, find
from syncd.state.schema import run_keys, runs

_TOO_LATE = "it did not begin before it expired"


class Queue:
    """The runs that have not begun, of all jobs; each job has at most one plain one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue(self, job: Job, request: Request, now: datetime, options: RunOptions = RunOptions()) -> Run:
        """Ask for a run of the job, and return the run that answers.

        A tick that finds another run pending or going on becomes a skipped run; the same tick told twice stays one.
        Any other plain request becomes part of the plain run that waits already, if there is one; a request with
        options of its own becomes a run of its own.

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

    def enqueue_once(
        self, job: Job, key: str, request: Request, now: datetime, options: RunOptions, until: datetime
    ) -> tuple[Run, bool]:
        """Ask for a run as `enqueue` does, unless the same key has asked for it already.

        Args:
            key: what makes the request the same one; `request.digest` is what it must be the same in.
            until: how long the key is remembered.

        Returns:
            The run, and whether the key was known.

        Raises:
            Conflict: the key is known from another request.
        """

        def work(connection: sa.Connection) -> tuple[Run, bool]:
            fencing.lock(connection, job.id)
            connection.execute(sa.delete(run_keys).where(run_keys.c.job_id == job.id, run_keys.c.expires_at <= now))
            known = connection.execute(
                sa.select(run_keys).where(run_keys.c.job_id == job.id, run_keys.c.key == key)
            ).one_or_none()
            if known is not None:
                if known.digest != request.digest:
                    raise KeyReused(
                        [Fault("idempotency_key", "was used for another request: choose a new one for each request")]
                    )
                return find(connection, known.run_number), True
            run = enqueued(connection, job, request, now, options)
            connection.execute(
                sa.insert(run_keys).values(
                    job_id=job.id, key=key, digest=request.digest, run_number=run.number, expires_at=until
                )
            )
            return run, False

        return self._database.write(work)

    def enqueue_all(self, job: Job, wanted: Sequence[tuple[Request, RunOptions]], now: datetime) -> list[Run]:
        """Ask for several runs as `enqueue` does: all of them or none."""

        def work(connection: sa.Connection) -> list[Run]:
            fencing.lock(connection, job.id)
            return [enqueued(connection, job, request, now, options) for request, options in wanted]

        return self._database.write(work)

    def like(self, job_id: int, digest: str, since: datetime) -> Run | None:
        """Return the newest run of an equal request since then, unless it failed, expired or was canceled."""
        lost = (*FAILED, RunStatus.CANCELED, RunStatus.EXPIRED, RunStatus.SKIPPED)
        found = self._database.read(
            lambda connection: all_runs(
                connection,
                runs.c.job_id == job_id,
                runs.c.digest == digest,
                runs.c.created_at >= since,
                runs.c.status.not_in(lost),
                order=runs.c.number.desc(),
                limit=1,
            )
        )
        return found[0] if found else None

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
