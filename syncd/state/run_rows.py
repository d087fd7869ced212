"""Runs as rows: read, added and changed inside a transaction that is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa

from syncd.errors import NotFound
from syncd.model.job import Job
from syncd.model.run import LIVE, PENDING, Counts, Lease, Request, Run, RunOptions, RunStatus, Trigger
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
    parameters: Mapping[str, object] | None = None,
) -> list[Run]:
    """Return the runs that meet every condition; `parameters` fill the conditions that leave something open."""
    query = sa.select(runs, jobs.c.name.label("job_name")).join(jobs, jobs.c.id == runs.c.job_id)
    query = query.where(*conditions).order_by(order).limit(limit)
    return [_run(row) for row in connection.execute(query, parameters)]


def add(
    connection: sa.Connection,
    job: Job,
    request: Request,
    options: RunOptions,
    now: datetime,
    *,
    skipped: str | None = None,
) -> Run:
    """Add a run that has not begun, or a skipped one with the reason why."""
    number = connection.scalars(
        sa.insert(runs)
        .values(
            job_id=job.id,
            job_version=job.version,
            status=request.gate.status if skipped is None else RunStatus.SKIPPED,
            reason=request.gate.reason if skipped is None else None,
            trigger=request.trigger,
            options=asdict(replace(options, metadata={**job.definition.default_run_metadata, **options.metadata})),
            plain=options.plain,
            digest=request.digest,
            attempt=0,
            created_at=now,
            created_by=request.created_by,
            scheduled_at=request.scheduled_at,
            expires_at=request.expires_at,
            updated_at=now,
            finished_at=None if skipped is None else now,
            counts=Counts().as_dict(),
            stages={},
            error=skipped,
        )
        .returning(runs.c.number)
    ).one()
    return find(connection, number)


def enqueued(connection: sa.Connection, job: Job, request: Request, now: datetime, options: RunOptions) -> Run:
    """Return the run that answers a request; see `Runs.enqueue`."""
    waiting, going = live_runs(connection, job.id)
    scheduled = request.trigger is Trigger.SCHEDULE
    # One that waits for a later moment does not stand in for a tick; it may be of a clock that was years ahead.
    if waiting is not None and options.plain and (not scheduled or waiting.scheduled_at > now):
        return _widen(connection, waiting, request, now, options)
    reason = None
    if scheduled:
        for run in (going, waiting):
            if run is not None and (run.trigger, run.scheduled_at) == (request.trigger, request.scheduled_at):
                return run
            if run is not None and reason is None:
                reason = f"{run.id} was still {run.status}"
    return add(connection, job, request, options, now, skipped=reason)


def live_runs(connection: sa.Connection, job_id: int) -> tuple[Run | None, Run | None]:
    """Return the job's plain run that is pending, and the one that is going on."""
    found = all_runs(connection, runs.c.job_id == job_id, runs.c.status.in_(LIVE))
    waiting = next((run for run in found if run.status in PENDING and run.plain), None)
    going = next((run for run in found if run.status in ACTIVE), None)
    return waiting, going


def _widen(connection: sa.Connection, waiting: Run, request: Request, now: datetime, options: RunOptions) -> Run:
    ends = (waiting.expires_at, request.expires_at)
    change: dict[str, object] = {
        "options": asdict(waiting.options.widened(options)),
        "scheduled_at": min(waiting.scheduled_at, request.scheduled_at),
        "expires_at": None if ends[0] is None or ends[1] is None else max(ends[0], ends[1]),
        "updated_at": now,
    }
    if request.gate.status is RunStatus.QUEUED:
        change |= {"status": RunStatus.QUEUED, "reason": None}
    connection.execute(sa.update(runs).where(runs.c.number == waiting.number).values(change))
    return find(connection, waiting.number)


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
        options=RunOptions(**row.options | {"keys": tuple(row.options.get("keys", ()))}),
        attempt=row.attempt,
        started_at=row.started_at,
        finished_at=row.finished_at,
        counts=Counts(**row.counts),
        progress=row.progress,
        stages=row.stages,
        watermark=row.watermark,
        error=row.error,
        reason=row.reason,
        heartbeat_at=row.updated_at if row.status in ACTIVE else None,
        next_retry_at=row.next_retry_at,
        expires_at=row.expires_at,
        created_by=row.created_by,
        plain=row.plain,
    )
