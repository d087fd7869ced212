"""Runs as rows: read, added and changed inside a transaction that is open."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from syncd.errors import NotFound
from syncd.model.job import Job
from syncd.model.run import Counts, Lease, Run, RunOptions, RunStatus, Trigger
from syncd.state import events, fencing
from syncd.state.schema import jobs, runs

ACTIVE = (RunStatus.RUNNING, RunStatus.CANCELING)


def find(connection: sa.Connection, number: int) -> Run:
    """Return the run of that number. Raises NotFound."""
    found = all_runs(connection, runs.c.number == number)
    if not found:
        raise NotFound(f"there is no run_{number}", "`syncd runs` lists the runs that are kept")
    return found[0]


def all_runs(
    connection: sa.Connection,
    *conditions: sa.ColumnElement[bool],
    order: sa.ColumnElement[object] = runs.c.number,
    limit: int | None = None,
) -> list[Run]:
    """Return the runs that meet every condition."""
    query = sa.select(runs, jobs.c.name.label("job_name")).join(jobs, jobs.c.id == runs.c.job_id)
    return [_run(row) for row in connection.execute(query.where(*conditions).order_by(order).limit(limit))]


def add(
    connection: sa.Connection,
    job: Job,
    trigger: Trigger,
    *,
    scheduled_at: datetime,
    now: datetime,
    options: RunOptions,
    skipped: str | None = None,
) -> Run:
    """Add a queued run, or a skipped one with the reason why."""
    number = connection.scalars(
        sa.insert(runs)
        .values(
            job_id=job.id,
            job_version=job.version,
            status=RunStatus.QUEUED if skipped is None else RunStatus.SKIPPED,
            trigger=trigger,
            full=options.full,
            row_limit=options.limit,
            attempt=0,
            created_at=now,
            scheduled_at=scheduled_at,
            updated_at=now,
            finished_at=None if skipped is None else now,
            counts=Counts().as_dict(),
            stages={},
            error=skipped,
        )
        .returning(runs.c.number)
    ).one()
    return find(connection, number)


def update_held(
    connection: sa.Connection,
    lease: Lease,
    run_number: int,
    counts: Counts,
    stages: Mapping[str, float],
    **change: object,
) -> None:
    """Change a run that is going on under a proven lease.

    Raises:
        LeaseLost: the run is not going on, or is another job's.
    """
    changed = connection.execute(
        sa.update(runs)
        .where(runs.c.number == run_number, runs.c.job_id == lease.job_id, runs.c.status.in_(ACTIVE))
        .values(counts=counts.as_dict(), stages=dict(stages), **change)
    ).rowcount
    if changed != 1:
        raise fencing.lost(lease)


def crash(connection: sa.Connection, job_id: int, reason: str, now: datetime) -> list[Run]:
    """End the job's run that is going on, if any, as one whose process is gone."""
    numbers = connection.scalars(
        sa.update(runs)
        .where(runs.c.job_id == job_id, runs.c.status.in_(ACTIVE))
        .values(status=RunStatus.CRASHED, finished_at=now, updated_at=now, error=reason)
        .returning(runs.c.number)
    ).all()
    for number in numbers:
        events.append_run(connection, number, now)
    return [find(connection, number) for number in numbers]


def _run(row: sa.Row[tuple[object, ...]]) -> Run:
    return Run(
        number=row.number,
        job_id=row.job_id,
        job_name=row.job_name,
        job_version=row.job_version,
        status=RunStatus(row.status),
        trigger=Trigger(row.trigger),
        created_at=row.created_at,
        scheduled_at=row.scheduled_at,
        options=RunOptions(full=row.full, limit=row.row_limit),
        attempt=row.attempt,
        started_at=row.started_at,
        finished_at=row.finished_at,
        counts=Counts(**row.counts),
        progress=row.progress,
        stages=row.stages,
        watermark=row.watermark,
        error=row.error,
    )
