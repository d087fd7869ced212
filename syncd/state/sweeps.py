"""When each job's table was swept, and the sweeps that wait for somebody's word before they remove so much."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from syncd.errors import Conflict
from syncd.model.run import Lease, Sweep
from syncd.state import events, fencing
from syncd.state.database import Database
from syncd.state.schema import sweeps


class Sweeps:
    """The newest sweep of each job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: int) -> Sweep | None:
        """Return the job's newest sweep, None before its first."""
        query = sa.select(sweeps).where(sweeps.c.job_id == job_id)
        row = self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        return Sweep(row.swept_at, row.orphans, row.documents, row.approved_at, row.approved_by)

    def done(self, lease: Lease, begun: datetime) -> None:
        """Note that a sweep that began then has removed all that has no row. Raises LeaseLost."""

        def work(connection: sa.Connection) -> None:
            fencing.prove(connection, lease)
            self._put(connection, lease.job_id, begun, orphans=None, documents=None)

        self._database.write(work)

    def withhold(self, lease: Lease, begun: datetime, orphans: int, documents: int) -> None:
        """Note that a sweep that began then has removed nothing, because it would have removed so much.

        Args:
            orphans: how many documents have no row.
            documents: of how many.

        Raises:
            LeaseLost: the job is not the caller's any more.
        """

        def work(connection: sa.Connection) -> None:
            fencing.prove(connection, lease)
            self._put(connection, lease.job_id, begun, orphans=orphans, documents=documents)
            detail = f"{orphans} of {documents} documents have no row"
            events.append(connection, lease.job_id, "sweep_withheld", detail, begun)

        self._database.write(work)

    def approve(self, job_id: int, by: str | None, now: datetime) -> Sweep:
        """Let the job's next sweep remove as many documents as the one that waits would have, and return that one.

        Args:
            by: the name of the token; None where none was needed.

        Raises:
            Conflict: no sweep of the job waits.
        """

        def work(connection: sa.Connection) -> Sweep:
            fencing.lock(connection, job_id)
            row = connection.execute(sa.select(sweeps).where(sweeps.c.job_id == job_id)).one_or_none()
            if row is None or row.orphans is None:
                raise Conflict("no sweep of this job waits to be approved", "`syncd jobs show` tells what it waits for")
            change = {"approved_at": now, "approved_by": by}
            connection.execute(sa.update(sweeps).where(sweeps.c.job_id == job_id).values(**change))
            events.append(connection, job_id, "sweep_approved", f"up to {row.orphans} documents", now)
            return Sweep(row.swept_at, row.orphans, row.documents, now, by)

        return self._database.write(work)

    def _put(
        self, connection: sa.Connection, job_id: int, begun: datetime, *, orphans: int | None, documents: int | None
    ) -> None:
        values = {
            "swept_at": begun,
            "orphans": orphans,
            "documents": documents,
            "approved_at": None,
            "approved_by": None,
        }
        insert = self._database.upsert(sweeps).values(job_id=job_id, **values)
        connection.execute(insert.on_conflict_do_update(index_elements=["job_id"], set_=values))
