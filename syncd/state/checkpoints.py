"""Checkpoints: the last thing written, and the first thing read by the next run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from syncd.model.record import Identity, Reject
from syncd.model.run import Checkpoint, Counts, Lease
from syncd.model.watermark import Watermark
from syncd.state import dead_letters, events, fencing
from syncd.state.database import Database
from syncd.state.run_rows import update_held
from syncd.state.schema import checkpoints
from syncd.state.schema import events as events_table

_OF = sa.select(checkpoints).where(checkpoints.c.job_id.in_(sa.bindparam("jobs", expanding=True)))
_RESTORED_AT = sa.select(sa.func.max(events_table.c.at)).where(
    events_table.c.job_id.is_(None), events_table.c.kind == events.RESTORED
)
_EMPTY = {"watermark": Watermark().dump(), "glance": None, "read_at": None}


class Checkpoints:
    """How far each job has come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: int) -> Checkpoint | None:
        """Return the job's checkpoint, None before its first."""
        return self.of([job_id]).get(job_id)

    def of(self, job_ids: Collection[int]) -> Mapping[int, Checkpoint]:
        """Return the checkpoint of each of these jobs; a job before its first is left out."""
        rows = self._database.read(lambda connection: connection.execute(_OF, {"jobs": job_ids}).all())
        return {
            row.job_id: Checkpoint(
                watermark=Watermark.load(row.watermark),
                meaning=row.meaning,
                identity=Identity(row.kb_uuid, row.kb_epoch),
                glance=row.glance,
                read_at=row.read_at,
            )
            for row in rows
        }

    def commit(
        self,
        lease: Lease,
        run_number: int,
        checkpoint: Checkpoint,
        *,
        moves_watermark: bool = True,
        counts: Counts,
        stages: Mapping[str, float],
        rejects: Sequence[Reject],
        resolved: Sequence[str],
        now: datetime,
    ) -> None:
        """Save a checkpoint and all that belongs to it in one transaction, under the lease's token (invariant 4).

        Call it only when the knowledge base has acknowledged everything at or below the watermark (invariant 1), and
        never with a smaller watermark than before (invariant 2).

        Args:
            lease: the proof that the job is the caller's.
            run_number: the run that did the work.
            checkpoint: where the source and the knowledge base stand now.
            moves_watermark: whether later runs go on from there; if not, only the knowledge base's epoch is kept.
            counts: what the run has done so far.
            stages: seconds it has spent in each stage so far.
            rejects: the rows that could not be synced since the last commit: they become dead letters.
            resolved: keys of dead letters whose rows are in the knowledge base after all.
            now: when.

        Raises:
            LeaseLost: the job is not the caller's any more; nothing was saved.
        """

        def work(connection: sa.Connection) -> None:
            fencing.prove(connection, lease)
            change: dict[str, object] = {"updated_at": now}
            if moves_watermark:
                known = checkpoint.watermark.value is not None
                change["watermark"] = str(checkpoint.watermark) if known else None
                self._save(connection, lease.job_id, checkpoint, now)
            else:
                self._note(connection, lease.job_id, checkpoint.identity)
            update_held(connection, lease, run_number, counts, stages, **change)
            failed = {reject.key for reject in rejects}
            dead_letters.resolve(connection, lease.job_id, [key for key in resolved if key not in failed])
            dead_letters.bury(self._database, connection, lease.job_id, rejects, now)

        self._database.write(work)

    def _save(self, connection: sa.Connection, job_id: int, checkpoint: Checkpoint, now: datetime) -> None:
        values = {
            "watermark": checkpoint.watermark.dump(),
            "meaning": checkpoint.meaning,
            "kb_uuid": checkpoint.identity.uuid,
            "kb_epoch": checkpoint.identity.epoch,
            "glance": checkpoint.glance,
            "read_at": checkpoint.read_at,
            "saved_at": now,
        }
        insert = self._database.upsert(checkpoints).values(job_id=job_id, **values)
        connection.execute(insert.on_conflict_do_update(index_elements=["job_id"], set_=values))

    def _note(self, connection: sa.Connection, job_id: int, identity: Identity) -> None:
        """Remember how far the knowledge base has come, so that a copy that lacks what was written is noticed."""
        known = (checkpoints.c.job_id == job_id, checkpoints.c.kb_uuid == identity.uuid)
        connection.execute(sa.update(checkpoints).where(*known).values(kb_epoch=identity.epoch))

    def reset(self, job_id: int, meaning: str, identity: Identity, reason: str, now: datetime) -> None:
        """Put an empty checkpoint in the job's place, so that its table is read from the beginning (invariant 2).

        A run that is going on does not notice, and writes its own checkpoint again.

        Args:
            meaning: the hash of the definition that the next watermark will belong to.
            identity: the knowledge base that it will belong to.
            reason: recorded as an event.
        """
        values = {**_EMPTY, "meaning": meaning, "kb_uuid": identity.uuid, "kb_epoch": identity.epoch, "saved_at": now}

        def work(connection: sa.Connection) -> None:
            fencing.lock(connection, job_id)
            connection.execute(sa.update(checkpoints).where(checkpoints.c.job_id == job_id).values(**values))
            events.append(connection, job_id, "checkpoint_reset", reason, now)

        self._database.write(work)

    def newest_epoch(self, kb_uuid: str) -> int:
        """Return the newest epoch of a knowledge base that any job's checkpoint knows, 0 when none does."""
        return self._database.read(lambda connection: _newest(connection, kb_uuid))

    def reset_ahead_of(self, identity: Identity, reason: str, now: datetime) -> None:
        """Reset, as `reset` does, every checkpoint that knows a newer state of this knowledge base than there is."""
        ahead = sa.and_(checkpoints.c.kb_uuid == identity.uuid, checkpoints.c.kb_epoch > identity.epoch)
        self._database.write(lambda connection: _reset_all(connection, ahead, identity, reason, now))

    def reset_restored(self, identity: Identity, reason: str, now: datetime) -> bool:
        """Reset, as `reset` does, the checkpoints of a state that was restored, unless they still apply.

        They do when the knowledge base is as the newest of them knows it. One that has moved on may have lost documents
        since, or have got others by another definition. It is asked once: afterwards they count as saved anew.

        Returns:
            Whether there were any.
        """
        old = _restored(identity)

        def work(connection: sa.Connection) -> bool:
            if _newest(connection, identity.uuid) == identity.epoch:
                connection.execute(sa.update(checkpoints).where(old).values(saved_at=now))
                return False
            return _reset_all(connection, old, identity, reason, now)

        any_old = sa.select(sa.exists().where(old))
        return bool(self._database.read(lambda connection: connection.scalar(any_old))) and self._database.write(work)

    def is_outdated(self, identity: Identity) -> bool:
        """Tell whether `reset_ahead_of` or `reset_restored` would reset any."""
        old = sa.select(sa.exists().where(_restored(identity)))

        def work(connection: sa.Connection) -> bool:
            newest = _newest(connection, identity.uuid)
            return identity.epoch < newest or (identity.epoch != newest and bool(connection.scalar(old)))

        return self._database.read(work)


def _newest(connection: sa.Connection, kb_uuid: str) -> int:
    query = sa.select(sa.func.max(checkpoints.c.kb_epoch)).where(checkpoints.c.kb_uuid == kb_uuid)
    return connection.scalar(query) or 0


def _restored(identity: Identity) -> sa.ColumnElement[bool]:
    return sa.and_(checkpoints.c.kb_uuid == identity.uuid, checkpoints.c.saved_at <= _RESTORED_AT.scalar_subquery())


def _reset_all(
    connection: sa.Connection, which: sa.ColumnElement[bool], identity: Identity, reason: str, now: datetime
) -> bool:
    job_ids = connection.scalars(sa.select(checkpoints.c.job_id).where(which)).all()
    values = {**_EMPTY, "kb_epoch": identity.epoch, "saved_at": now}
    connection.execute(sa.update(checkpoints).where(checkpoints.c.job_id.in_(job_ids)).values(**values))
    for job_id in job_ids:
        events.append(connection, job_id, "checkpoint_reset", reason, now)
    return bool(job_ids)
