"""Runs: what goes on, and what has been."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from syncd.errors import Conflict
from syncd.model.run import LIVE, SUCCESSFUL, Counts, Lease, Run, RunStatus, Trigger
from syncd.state import events, fencing
from syncd.state.database import Database
from syncd.state.run_rows import all_runs, find, live_runs, update_held
from syncd.state.schema import jobs as all_jobs
from syncd.state.schema import run_keys, run_lines, runs

_ended = runs.alias()
# By way of the jobs, so that for each of them one entry of an index is read, however long its history is.
_LAST_FINISHED = sa.and_(
    all_jobs.c.id.in_(sa.bindparam("jobs", expanding=True)),
    runs.c.number
    == sa.select(_ended.c.number)
    .where(_ended.c.job_id == all_jobs.c.id, _ended.c.status.not_in([*LIVE, RunStatus.SKIPPED]))
    .order_by(_ended.c.finished_at.desc())
    .limit(1)
    .correlate(all_jobs)
    .scalar_subquery(),
)


class Runs:
    """The runs of all jobs; a job has at most one plain one that is pending and one that is going on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, number: int) -> Run:
        """Return the run of that number.

        Raises:
            NotFound: there is none, or it has been pruned.
        """
        return self._database.read(lambda connection: find(connection, number))

    def live(self, job_id: int) -> Run | None:
        """Return the job's run that is going on, else the plain one that is pending, else None."""
        waiting, going = self._database.read(lambda connection: live_runs(connection, job_id))
        return going or waiting

    def unfinished(self, job_id: int) -> builtins.list[Run]:
        """Return the job's runs that have not ended, oldest first."""
        return self._database.read(
            lambda connection: all_runs(connection, runs.c.job_id == job_id, runs.c.status.in_(LIVE))
        )

    def last_scheduled(self, job_id: int, now: datetime) -> datetime | None:
        """Return the newest tick up to now that became a run of any status, None when there was none.

        Later ones are left out: they were fired by a clock that was ahead, and must not keep the job from its ticks.
        """
        query = sa.select(sa.func.max(runs.c.scheduled_at)).where(
            runs.c.job_id == job_id, runs.c.trigger == Trigger.SCHEDULE, runs.c.scheduled_at <= now
        )
        newest: datetime | None = self._database.read(lambda connection: connection.scalar(query))
        return newest

    def last_finished(self, job_id: int) -> Run | None:
        """Return the run that ended last, skipped ones aside."""
        return self.last_finished_of([job_id]).get(job_id)

    def last_finished_of(self, job_ids: Collection[int]) -> Mapping[int, Run]:
        """Return for each of these jobs the run that ended last, skipped ones aside; a job without one is left out."""
        found = self._database.read(
            lambda connection: all_runs(connection, _LAST_FINISHED, parameters={"jobs": job_ids})
        )
        return {run.job_id: run for run in found}

    def last_successful(self, job_id: int) -> Run | None:
        """Return the run that was completed last, with or without warnings."""
        return self._newest(job_id, runs.c.status.in_(SUCCESSFUL))

    def newest_number(self) -> int:
        """Return the number of the newest run, 0 when there was none."""
        return self._database.read(lambda connection: connection.scalar(sa.select(sa.func.max(runs.c.number)))) or 0

    def newest_start(self, job_id: int) -> datetime | None:
        """Return when the job last began a run, None when it never did."""
        query = sa.select(sa.func.max(runs.c.started_at)).where(runs.c.job_id == job_id)
        newest: datetime | None = self._database.read(lambda connection: connection.scalar(query))
        return newest

    def ended_since(self, job_id: int, statuses: Collection[RunStatus], since: datetime | None) -> bool:
        """Tell whether a run of the job has ended like this since then."""
        query = sa.select(runs.c.number).where(runs.c.job_id == job_id, runs.c.status.in_(statuses)).limit(1)
        if since is not None:
            query = query.where(runs.c.finished_at > since)
        return self._database.read(lambda connection: connection.scalar(query)) is not None

    def ended_in(self, job_id: int, since: datetime) -> builtins.list[Run]:
        """Return the runs of a job that have ended since then, oldest first."""
        return self._database.read(
            lambda connection: all_runs(connection, runs.c.job_id == job_id, runs.c.finished_at >= since)
        )

    def request_cancel(self, number: int, now: datetime) -> Run:
        """Cancel a run that is queued; ask one that is going on to stop at its next batch boundary.

        Raises:
            NotFound: there is no such run.
            Conflict: it has ended already.
        """

        def work(connection: sa.Connection) -> Run:
            fencing.lock(connection, find(connection, number).job_id)
            run = find(connection, number)
            match run.status:
                case RunStatus.QUEUED | RunStatus.DELAYED | RunStatus.WAITING:
                    change = {"status": RunStatus.CANCELED, "finished_at": now}
                case RunStatus.RUNNING | RunStatus.CANCELING:
                    change = {"status": RunStatus.CANCELING}
                case _:
                    raise Conflict(f"{run.id} is already {run.status}", "there is nothing left to cancel")
            connection.execute(sa.update(runs).where(runs.c.number == number).values(updated_at=now, **change))
            events.append_run(connection, number, now)
            return find(connection, number)

        return self._database.write(work)

    def progress(
        self,
        lease: Lease,
        run_number: int,
        *,
        counts: Counts,
        stages: Mapping[str, float],
        progress: float | None,
        attempt: int,
        now: datetime,
        next_retry_at: datetime | None = None,
    ) -> None:
        """Save how far a run has come.

        Args:
            lease: the proof that the run is the caller's.
            run_number: the run.
            counts: what it has done so far.
            stages: seconds spent in each stage so far.
            progress: the share of the rows done, 0 to 1, None while unknown.
            attempt: which attempt this is, from 1.
            next_retry_at: when the next attempt begins, if this one has failed.
            now: when this is known.

        Raises:
            LeaseLost: the run is not the caller's any more.
        """

        def work(connection: sa.Connection) -> None:
            fencing.prove(connection, lease)
            change = {"progress": progress, "attempt": attempt, "next_retry_at": next_retry_at, "updated_at": now}
            update_held(connection, lease, run_number, counts, stages, **change)

        self._database.write(work)

    def finish(
        self,
        lease: Lease,
        run_number: int,
        status: RunStatus,
        *,
        counts: Counts,
        stages: Mapping[str, float],
        watermark: str | None,
        error: str | None,
        now: datetime,
    ) -> Run:
        """Write a run's end and give its lease back, both at once.

        Args:
            lease: the proof that the run is the caller's.
            run_number: the run.
            status: how it ended.
            counts: what it did in all.
            stages: seconds spent in each stage.
            watermark: where the source stands now, as people read it.
            error: why it failed or what it warns of, None when all is well.
            now: when it ended.

        Raises:
            LeaseLost: the run is not the caller's any more.
        """
        if status in LIVE:
            raise ValueError(f"a run cannot end as {status}")

        def work(connection: sa.Connection) -> Run:
            fencing.prove(connection, lease)
            change = {"status": status, "watermark": watermark, "error": error, "finished_at": now, "updated_at": now}
            change["next_retry_at"] = None
            update_held(connection, lease, run_number, counts, stages, **change)
            events.append_run(connection, run_number, now)
            fencing.release(connection, lease.job_id)
            return find(connection, run_number)

        return self._database.write(work)

    def prune(self, job_id: int, keep: int) -> int:
        """Delete the job's oldest ended runs but for the newest `keep`, and return how many were deleted.

        The newest tick and the newest success stay whatever their age, since decisions hang on them, and so do those
        that an idempotency key answers with.
        """

        def work(connection: sa.Connection) -> int:
            of_job = sa.select(runs.c.number).where(runs.c.job_id == job_id).limit(1)
            newest_tick = of_job.where(runs.c.trigger == Trigger.SCHEDULE).order_by(runs.c.scheduled_at.desc())
            success = of_job.where(runs.c.status.in_(SUCCESSFUL)).order_by(runs.c.finished_at.desc())
            kept = (
                sa.select(runs.c.number)
                .where(runs.c.job_id == job_id, runs.c.status.not_in(LIVE))
                .order_by(runs.c.number.desc())
                .limit(keep)
            )
            promised = sa.select(run_keys.c.run_number).where(run_keys.c.job_id == job_id)
            spared = {
                number for query in (newest_tick, success, kept, promised) for number in connection.scalars(query)
            }
            old = (runs.c.job_id == job_id, runs.c.status.not_in(LIVE), runs.c.number.not_in(spared))
            lines = run_lines.c.run_number.in_(sa.select(runs.c.number).where(*old))
            connection.execute(sa.delete(run_lines).where(lines))
            return connection.execute(sa.delete(runs).where(*old)).rowcount

        return self._database.write(work)

    def list(
        self,
        job_id: int | None = None,
        status: RunStatus | None = None,
        trigger: Trigger | None = None,
        limit: int = 50,
        before: int | None = None,
        *,
        jobs: Collection[int] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        tag: tuple[str, str] | None = None,
    ) -> builtins.list[Run]:
        """Return runs, newest first.

        Args:
            job_id: only of this job.
            status: only of this status.
            trigger: only those started like this.
            limit: how many at most.
            before: only those with a smaller number: the last of the page before.
            jobs: only of these jobs.
            since, until: only those asked for in this time.
            tag: only those that carry this name and value.
        """
        wanted = {runs.c.job_id: job_id, runs.c.status: status, runs.c.trigger: trigger}
        conditions = [column == value for column, value in wanted.items() if value is not None]
        if before is not None:
            conditions.append(runs.c.number < before)
        if jobs is not None:
            conditions.append(runs.c.job_id.in_(jobs))
        if since is not None:
            conditions.append(runs.c.created_at >= since)
        if until is not None:
            conditions.append(runs.c.created_at < until)
        if tag is not None:
            conditions.append(runs.c.options[("tags", tag[0])].as_string() == tag[1])
        return self._database.read(
            lambda connection: all_runs(connection, *conditions, order=runs.c.number.desc(), limit=limit)
        )

    def _newest(self, job_id: int, condition: sa.ColumnElement[bool]) -> Run | None:
        found = self._database.read(
            lambda connection: all_runs(
                connection, runs.c.job_id == job_id, condition, order=runs.c.finished_at.desc(), limit=1
            )
        )
        return found[0] if found else None
