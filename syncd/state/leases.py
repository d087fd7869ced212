"""Leases: who may run a job now, and which runs have lost their process (invariant 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.model.run import Lease, Run, RunStatus
from syncd.state import events, fencing
from syncd.state.database import Database
from syncd.state.jobs import ends_of
from syncd.state.run_rows import ACTIVE, crash, find
from syncd.state.schema import jobs, leases, runs


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many runs may go on at once that read one database, or fill one knowledge base; None for any number."""

    per_database: int | None = None
    per_knowledge_base: int | None = None


class Leases:
    """One lease for each job, with a token that grows each time it is taken."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self,
        owner: str,
        now: datetime,
        ttl: timedelta,
        run_number: int | None = None,
        bounds: Bounds = Bounds(),
    ) -> tuple[Run, Lease] | None:
        """Take the oldest queued run that is due and whose job nobody runs, and start it.

        A run whose holder let its lease expire is ended as crashed on the way.

        Args:
            owner: who asks; see `syncd.state.owner`.
            now: the moment to judge by.
            ttl: how long the lease lasts without `renew`.
            run_number: take this run or none.
            bounds: how many runs may go on at once.

        Returns:
            The run and its lease, or None when there is nothing to take.
        """

        def work(connection: sa.Connection) -> tuple[Run, Lease] | None:
            # A candidate can be gone by the time its lease is locked; looking again sees that.
            full = _full(connection, bounds)
            while (candidate := _candidate(connection, now, run_number, full)) is not None:
                number, job_id = candidate
                if _start(connection, number, job_id, now):
                    token = connection.scalars(
                        sa.update(leases)
                        .where(leases.c.job_id == job_id)
                        .values(owner=owner, token=leases.c.token + 1, expires_at=now + ttl)
                        .returning(leases.c.token)
                    ).one()
                    return find(connection, number), Lease(job_id, owner, token)
            return None

        return self._database.write(work)

    def renew(self, lease: Lease, now: datetime, ttl: timedelta) -> RunStatus:
        """Hold the lease for another `ttl` from now, and return the run's status: `canceling` asks to stop.

        Raises:
            LeaseLost: somebody else has it, or its run was ended.
        """

        def work(connection: sa.Connection) -> RunStatus:
            fencing.prove(connection, lease)
            status = connection.scalar(
                sa.select(runs.c.status).where(runs.c.job_id == lease.job_id, runs.c.status.in_(ACTIVE))
            )
            if status is None:
                raise fencing.lost(lease)
            connection.execute(sa.update(leases).where(leases.c.job_id == lease.job_id).values(expires_at=now + ttl))
            return RunStatus(status)

        return self._database.write(work)

    def recover(self, now: datetime, alive: Callable[[str], bool]) -> list[Run]:
        """End as crashed every run whose lease has expired or whose owner is known to be dead, and return them.

        Args:
            now: the moment to judge by.
            alive: tells whether an owner may still live; False must be certain.
        """
        held = self._database.read(
            lambda connection: connection.execute(
                sa.select(leases)
                .join(runs, runs.c.job_id == leases.c.job_id)
                .where(runs.c.status.in_(ACTIVE))
                .order_by(leases.c.job_id)
            ).all()
        )
        crashed: list[Run] = []
        for lease in held:
            if lease.owner is not None and not alive(lease.owner):
                reason = "the process that ran it ended without finishing it"
            elif lease.expires_at is None or lease.expires_at <= now:
                reason = "its lease expired: the process that ran it stopped answering"
            else:
                continue
            crashed += self._database.write(_taking(lease, reason, now))
        return crashed


def _full(connection: sa.Connection, bounds: Bounds) -> Collection[int]:
    """Return the jobs that may not begin, because their database or knowledge base has as many runs as it may."""
    if bounds == Bounds():
        return ()
    going = jobs.c.id.in_(sa.select(runs.c.job_id).where(runs.c.status.in_(ACTIVE)))
    pending = jobs.c.id.in_(sa.select(runs.c.job_id).where(runs.c.status == RunStatus.QUEUED))
    busy = [ends_of(row.definition) for row in connection.execute(sa.select(jobs.c.definition).where(going))]
    databases, knowledge_bases = Counter(ends[0] for ends in busy), Counter(ends[1] for ends in busy)

    def is_full(database: str, knowledge_base: str) -> bool:
        return (bounds.per_database is not None and databases[database] >= bounds.per_database) or (
            bounds.per_knowledge_base is not None and knowledge_bases[knowledge_base] >= bounds.per_knowledge_base
        )

    rows = connection.execute(sa.select(jobs.c.id, jobs.c.definition).where(pending)).all()
    return [row.id for row in rows if is_full(*ends_of(row.definition))]


def _candidate(
    connection: sa.Connection, now: datetime, run_number: int | None, full: Collection[int]
) -> tuple[int, int] | None:
    query = (
        sa.select(runs.c.number, runs.c.job_id)
        .join(leases, leases.c.job_id == runs.c.job_id)
        .where(
            runs.c.status == RunStatus.QUEUED,
            runs.c.scheduled_at <= now,
            runs.c.job_id.not_in(full),
            sa.or_(leases.c.owner.is_(None), leases.c.expires_at <= now),
        )
        .order_by(runs.c.number)
        .limit(1)
    )
    if run_number is not None:
        query = query.where(runs.c.number == run_number)
    # Whoever wants any run passes over jobs that others are busy with; whoever wants this one waits for it.
    row = connection.execute(query.with_for_update(of=leases, skip_locked=run_number is None)).one_or_none()
    return None if row is None else (row.number, row.job_id)


def _start(connection: sa.Connection, number: int, job_id: int, now: datetime) -> bool:
    still_queued = sa.select(runs.c.number).where(runs.c.number == number, runs.c.status == RunStatus.QUEUED)
    if connection.scalar(still_queued) is None:
        return False
    crash(connection, job_id, "its lease expired: the process that ran it stopped answering", now)
    version = sa.select(jobs.c.version).where(jobs.c.id == job_id).scalar_subquery()
    connection.execute(
        sa.update(runs)
        .where(runs.c.number == number)
        .values(status=RunStatus.RUNNING, started_at=now, updated_at=now, job_version=version)
    )
    events.append_run(connection, number, now)
    return True


def _taking(seen: sa.Row[tuple[object, ...]], reason: str, now: datetime) -> Callable[[sa.Connection], list[Run]]:
    def work(connection: sa.Connection) -> list[Run]:
        # It may have been renewed, given back or taken over since it was seen.
        same = [
            getattr(leases.c, name).is_not_distinct_from(getattr(seen, name))
            for name in ("job_id", "owner", "token", "expires_at")
        ]
        if connection.execute(sa.select(leases.c.token).where(*same).with_for_update()).one_or_none() is None:
            return []
        ended = crash(connection, seen.job_id, reason, now)
        fencing.release(connection, seen.job_id)
        return ended

    return work
