"""Jobs: what is defined, and what people and runs have made of it since."""

from __future__ import annotations

import builtins
import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import sqlalchemy as sa
from pydantic import ValidationError

from syncd.errors import Conflict, NotFound, Unavailable
from syncd.model.job import Job, JobDefinition, Origin
from syncd.state.database import Database
from syncd.state.events import append
from syncd.state.schema import checkpoints, dead_letters, job_versions, jobs, leases, sweeps

_KEPT = jobs.c.deleted.is_(None)


@dataclass(frozen=True, slots=True)
class JobVersion:
    """A job's definition as it was from a moment on, until the next version."""

    job_id: int
    version: int
    definition: JobDefinition
    origin: Origin
    created_at: datetime
    created_by: str | None


class Jobs:
    """The jobs of a state; every version of a definition is kept, and no number is used twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Job:
        """Return the job of that name, ended or not.

        Raises:
            NotFound: there is none; the hint offers names that are close.
        """

        def work(connection: sa.Connection) -> Job:
            row = connection.execute(sa.select(jobs).where(jobs.c.name == name, _KEPT)).one_or_none()
            if row is not None:
                return _job(row)
            names = connection.scalars(sa.select(jobs.c.name).where(_KEPT).order_by(jobs.c.name)).all()
            close = difflib.get_close_matches(name, names, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else "`syncd jobs` lists the jobs"
            raise NotFound(f"there is no job {name!r}", hint)

        return self._database.read(work)

    def find(self, name: str) -> Job | None:
        """Return the job of that name, ended or not, or None."""
        try:
            return self.get(name)
        except NotFound:
            return None

    def by_id(self, job_id: int) -> Job:
        """Return the job of that number.

        Raises:
            NotFound: there is none.
        """
        return self._database.read(lambda connection: _job(_row(connection, job_id)))

    def put(
        self,
        name: str,
        definition: JobDefinition,
        origin: Origin,
        now: datetime,
        *,
        by: str | None = None,
        new: bool = False,
    ) -> Job:
        """Make the job of that name be defined like this, and alive.

        A definition that differs becomes a new version and clears a block; an equal one changes nothing. A job that
        had ended lives again, and may then change its origin.

        Args:
            by: the name of the token that asks.
            new: refuse when a job of that name lives.

        Raises:
            Conflict: a living job of that name is defined elsewhere, or there is one at all and it has to be new.
        """

        def work(connection: sa.Connection) -> Job:
            job_id = self._insert(connection, name, definition, origin, now, by)
            if job_id is not None:
                connection.execute(sa.insert(leases).values(job_id=job_id, token=0))
                append(connection, job_id, "job_created", f"from {origin}", now)
                return _keep_version(connection, _job(_row(connection, job_id)))
            named = sa.select(jobs).where(jobs.c.name == name, _KEPT)
            job = _job(connection.execute(named.with_for_update()).one())
            if job.ended is None and (new or job.origin is not origin):
                raise Conflict(
                    f"the job {job.name!r} already exists, defined by {_place(job.origin)}",
                    "choose another name, or end that job first",
                )
            return self._redefine(connection, job, definition, origin, now, by)

        return self._database.write(work)

    def revise(
        self,
        job_id: int,
        change: Callable[[JobDefinition], JobDefinition],
        now: datetime,
        *,
        by: str | None = None,
        version: int | None = None,
    ) -> Job:
        """Change a job's definition; what differs becomes a new version.

        Args:
            change: makes the new definition out of the one that holds now.
            by: the name of the token that asks.
            version: the version that the change was made for; None for whichever it is.

        Raises:
            NotFound: there is no such job.
            Conflict: the job has another version by now.
        """

        def work(connection: sa.Connection) -> Job:
            job = _job(_row(connection, job_id, lock=True))
            if version is not None and version != job.version:
                raise Conflict(
                    f"the job {job.name!r} was changed meanwhile: it has version {job.version}, not {version}",
                    "read it again, and change what it is now",
                )
            return self._redefine(connection, job, change(job.definition), job.origin, now, by)

        return self._database.write(work)

    def delete(self, job_id: int, now: datetime) -> None:
        """Forget the job and free its name; its runs stay in the history. Raises NotFound."""

        def work(connection: sa.Connection) -> None:
            job = _job(_row(connection, job_id, lock=True))
            change = {"ended": job.ended or now, "deleted": now, "updated_at": now}
            connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(**change))
            append(connection, job_id, "job_deleted", "", now)
            connection.execute(sa.delete(checkpoints).where(checkpoints.c.job_id == job_id))
            connection.execute(sa.delete(sweeps).where(sweeps.c.job_id == job_id))
            connection.execute(sa.delete(dead_letters).where(dead_letters.c.job_id == job_id))

        self._database.write(work)

    def versions(self, job_id: int, limit: int = 50, before: int | None = None) -> builtins.list[JobVersion]:
        """Return the versions of a job's definition, newest first.

        Args:
            limit: how many at most.
            before: only older ones than this.
        """
        query = sa.select(job_versions).where(job_versions.c.job_id == job_id)
        if before is not None:
            query = query.where(job_versions.c.version < before)
        query = query.order_by(job_versions.c.version.desc()).limit(limit)
        return self._database.read(lambda connection: [_version(row) for row in connection.execute(query)])

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

    def version(self, job_id: int, number: int) -> JobVersion:
        """Return one version of a job's definition.

        Raises:
            NotFound: there is no such version.
        """
        query = sa.select(job_versions).where(job_versions.c.job_id == job_id, job_versions.c.version == number)
        row = self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise NotFound(f"there is no version {number} of the job")
        return _version(row)

    def list(self, include_ended: bool = False) -> builtins.list[Job]:
        """Return the jobs in the order of their names."""
        query = sa.select(jobs).where(_KEPT).order_by(jobs.c.name)
        if not include_ended:
            query = query.where(jobs.c.ended.is_(None))
        return self._database.read(lambda connection: [_job(row) for row in connection.execute(query)])

    def _insert(
        self,
        connection: sa.Connection,
        name: str,
        definition: JobDefinition,
        origin: Origin,
        now: datetime,
        by: str | None,
    ) -> int | None:
        if connection.scalar(sa.select(jobs.c.id).where(jobs.c.name == name, _KEPT)) is not None:
            return None
        statement = self._database.upsert(jobs).values(
            name=name,
            definition=definition.model_dump_json(),
            origin=origin,
            version=1,
            paused=False,
            created_at=now,
            created_by=by,
            updated_at=now,
            updated_by=by,
        )
        # Another process may add the same job between the look and the insertion.
        return connection.scalars(statement.on_conflict_do_nothing().returning(jobs.c.id)).one_or_none()

    def _redefine(
        self,
        connection: sa.Connection,
        job: Job,
        definition: JobDefinition,
        origin: Origin,
        now: datetime,
        by: str | None,
    ) -> Job:
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
        connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(updated_at=now, updated_by=by, **changes))
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
            created_by=job.updated_by,
        )
    )
    return job


def _version(row: sa.Row[tuple[object, ...]]) -> JobVersion:
    return JobVersion(
        job_id=row.job_id,
        version=row.version,
        definition=_definition(row.definition, f"version {row.version}"),
        origin=Origin(row.origin),
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _row(connection: sa.Connection, job_id: int, *, lock: bool = False) -> sa.Row[tuple[object, ...]]:
    query = sa.select(jobs).where(jobs.c.id == job_id, _KEPT)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"there is no job number {job_id}")
    return row


@lru_cache(maxsize=1024)
def _parsed(text: str) -> JobDefinition:
    return JobDefinition.model_validate_json(text)


def _definition(text: str, name: str) -> JobDefinition:
    try:
        return _parsed(text)
    except ValidationError as error:
        raise Unavailable(
            f"this program cannot read the definition of the job {name!r} in the state",
            "use the version of syncd that wrote it",
        ) from error


def _job(row: sa.Row[tuple[object, ...]]) -> Job:
    return Job(
        id=row.id,
        name=row.name,
        definition=_definition(row.definition, row.name),
        origin=Origin(row.origin),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        paused=row.paused,
        blocked=row.blocked,
        ended=row.ended,
        created_by=row.created_by,
        updated_by=row.updated_by,
    )


def ends_of(definition: str) -> tuple[str, str]:
    """Return the database and the knowledge base of a definition as it is stored."""
    fields = json.loads(definition)
    return fields["source_table"].split(".")[0], fields["kb_name"]


def _place(origin: Origin) -> str:
    return "a configuration file" if origin is Origin.FILE else "the API"
