"""The lease of a job as a lock and as a proof (invariant 4)."""

from __future__ import annotations

import sqlalchemy as sa

from syncd.errors import LeaseLost, NotFound
from syncd.model.run import Lease
from syncd.state.schema import leases


def lock(connection: sa.Connection, job_id: int) -> None:
    """Let nobody else change this job's runs or lease until the transaction ends.

    Raises:
        NotFound: there is no such job.
    """
    found = connection.scalar(sa.select(leases.c.job_id).where(leases.c.job_id == job_id).with_for_update())
    if found is None:
        raise NotFound(f"there is no job number {job_id}")


def prove(connection: sa.Connection, lease: Lease) -> None:
    """Check that the lease is still held under its token, and keep it so until the transaction ends.

    Raises:
        LeaseLost: somebody else has taken it, or it was given back.
    """
    row = connection.execute(
        sa.select(leases.c.owner, leases.c.token).where(leases.c.job_id == lease.job_id).with_for_update()
    ).one_or_none()
    if row is None or (row.owner, row.token) != (lease.owner, lease.token):
        raise lost(lease)


def release(connection: sa.Connection, job_id: int) -> None:
    """Give the lease back; its token stays, so that the next one is larger."""
    connection.execute(sa.update(leases).where(leases.c.job_id == job_id).values(owner=None, expires_at=None))


def lost(lease: Lease) -> LeaseLost:
    """Return the error of a holder that is one no more."""
    return LeaseLost(
        f"the lease number {lease.token} of job {lease.job_id} is held no more",
        "this run stops here; the next one goes on from its last checkpoint",
    )
