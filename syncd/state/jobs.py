"""Jobs: what is defined, and what people and runs have made of it since."""

from __future__ import annotations

import builtins
import difflib
from datetime import datetime

import sqlalchemy as sa
from pydantic import ValidationError

from syncd.errors import Conflict, NotFound, Unavailable
from syncd.model.job import Job, JobDefinition, Origin
from syncd.state.database import Database
from syncd.state.events import append
from syncd.state.schema import job_versions, jobs, leases


class Jobs:
    """The jobs of a state; none is ever deleted, and every version of a definition is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Job:
        """Return the job of that name, ended or not.

        Raises:
            NotFound: there is none; the hint offers names that are close.
        """

        def work(connection: sa.Connection) -> Job:
            row = connection.execute(sa.select(jobs).where(jobs.c.name == name)).one_or_none()
            if row is not None:
                return _job(row)
            names = connection.scalars(sa.select(jobs.c.name).order_by(jobs.c.name)).all()
            close = difflib.get_close_matches(name, names, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "`syncd jobs` lists the jobs"
            raise NotFound(f"there is no job {name!r}", hint)

        return self._database.read(work)

    def by_id(self, job_id: int) -> Job:
        """Return the job of that number.

        Raises:
            NotFound: there is none.
        """
        return self._database.read(lambda connection: _job(_row(connection, job_id)))

    def put(self, name: str, definition: JobDefinition, origin: Origin, now: datetime) -> Job:
        """Make the job of that name be defined like this, and alive.

        A definition that differs becomes a new version and clears a block; an equal one changes nothing. A job that
        had ended lives again, and may then change its origin.

        Raises:
            Conflict: a living job of that name is defined elsewhere.
        """

        def work(connection: sa.Connection) -> Job:
            job_id = self._insert(connection, name, definition, origin, now)
            if job_id is not None:
                connection.execute(sa.insert(leases).values(job_id=job_id, token=0))
                append(connection, job_id, "job_created", f"from {origin}", now)
                return _keep_version(connection, _job(_row(connection, job_id)))
            job = _job(connection.execute(sa.select(jobs).where(jobs.c.name == name).with_for_update()).one())
            return self._redefine(connection, job, definition, origin, now)

        return self._database.write(work)

    def end(self, job_id: int, now: datetime) -> Job:
        """Let the job have no more ticks, for good unless it is put again. Raises NotFound."""
        return self._set(job_id, now, "job_ended", "", ended=now)

    def block(self, job_id: int, reason: str, now: datetime) -> Job:
        """Say why the job cannot work until something is changed. Raises NotFound."""
        return self._set(job_id, now, "job_blocked", reason, blocked=reason)

    def unblock(self, job_id: int, now: datetime) -> Job:
        """Say that nothing is in the job's way. Raises NotFound."""
        return self._set(job_id, now, "job_unblocked", "", blocked=None)

    def pause(self, job_id: int, now: datetime) -> Job:
        """Stop the job's ticks until `resume`. Raises NotFound."""
        return self._set(job_id, now, "job_paused", "", paused=True)

    def resume(self, job_id: int, now: datetime) -> Job:
        """Let a paused job have ticks again. Raises NotFound."""
        return self._set(job_id, now, "job_resumed", "", paused=False)

    def list(self, include_ended: bool = False) -> builtins.list[Job]:
        """Return the jobs in the order of their names."""
        query = sa.select(jobs).order_by(jobs.c.name)
        if not include_ended:
            query = query.where(jobs.c.ended.is_(None))
        return self._database.read(lambda connection: [_job(row) for row in connection.execute(query)])

    def _insert(
        self, connection: sa.Connection, name: str, definition: JobDefinition, origin: Origin, now: datetime
    ) -> int | None:
        if connection.scalar(sa.select(jobs.c.id).where(jobs.c.name == name)) is not None:
            return None
        statement = self._database.upsert(jobs).values(
            name=name,
            definition=definition.model_dump_json(),
            origin=origin,
            version=1,
            paused=False,
            created_at=now,
            updated_at=now,
        )
        # Another process may add the same job between the look and the insertion.
        return connection.scalars(statement.on_conflict_do_nothing().returning(jobs.c.id)).one_or_none()

    def _redefine(
        self, connection: sa.Connection, job: Job, definition: JobDefinition, origin: Origin, now: datetime
    ) -> Job:
        if job.ended is None and job.origin is not origin:
            raise Conflict(
                f"the job {job.name!r} already exists, defined by {_place(job.origin)}",
                "choose another name, or end that job first",
            )
        changes: dict[str, object] = {}
        if job.ended is not None:
            changes |= {"ended": None, "blocked": None, "origin": origin}
            append(connection, job.id, "job_revived", f"from {origin}", now)
        if job.definition != definition:
            version = job.version + 1
            changes |= {"definition": definition.model_dump_json(), "version": version, "blocked": None}
            append(connection, job.id, "job_changed", f"version {version}", now)
        if not changes:
            return job
        connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(updated_at=now, **changes))
        changed = _job(_row(connection, job.id))
        return changed if changed.version == job.version else _keep_version(connection, changed)

    def _set(self, job_id: int, now: datetime, kind: str, detail: str, **change: object) -> Job:
        def work(connection: sa.Connection) -> Job:
            job = _job(_row(connection, job_id, lock=True))
            column, value = next(iter(change.items()))
            if getattr(job, column) == value or (column == "ended" and job.ended is not None):
                return job
            connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(updated_at=now, **change))
            append(connection, job_id, kind, detail, now)
            return _job(_row(connection, job_id))

        return self._database.write(work)


def _keep_version(connection: sa.Connection, job: Job) -> Job:
    connection.execute(
        sa.insert(job_versions).values(
            job_id=job.id,
            version=job.version,
            definition=job.definition.model_dump_json(),
            origin=job.origin,
            created_at=job.updated_at,
        )
    )
    return job


def _row(connection: sa.Connection, job_id: int, *, lock: bool = False) -> sa.Row[tuple[object, ...]]:
    query = sa.select(jobs).where(jobs.c.id == job_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"there is no job number {job_id}")
    return row


def _job(row: sa.Row[tuple[object, ...]]) -> Job:
    try:
        definition = JobDefinition.model_validate_json(row.definition)
    except ValidationError as error:
        raise Unavailable(
            f"this program cannot read the definition of the job {row.name!r} in the state",
            "use the version of syncd that wrote it",
        ) from error
    return Job(
        id=row.id,
        name=row.name,
        definition=definition,
        origin=Origin(row.origin),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        paused=row.paused,
        blocked=row.blocked,
        ended=row.ended,
    )


def _place(origin: Origin) -> str:
    return "a configuration file" if origin is Origin.FILE else "the API"
