"""Dead letters: the rows that could not be synced, until they can."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime

import sqlalchemy as sa

from syncd.model.fingerprint import digest
from syncd.model.record import Reject
from syncd.model.run import DeadLetter
from syncd.state import events, fencing
from syncd.state.database import Database
from syncd.state.schema import dead_letters, storable

# SQLite takes a bounded number of values in one statement.
_BATCH = 500
_LETTERS = sa.select(*(dead_letters.c[field.name] for field in fields(DeadLetter)))
_COUNTS = (
    sa.select(dead_letters.c.job_id, sa.func.count().label("found"))
    .where(dead_letters.c.job_id.in_(sa.bindparam("jobs", expanding=True)))
    .group_by(dead_letters.c.job_id)
)


class DeadLetters:
    """The rows of each job that wait for someone to mend them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, job_id: int) -> int:
        """Count the job's dead letters."""
        return self.counts([job_id]).get(job_id, 0)

    def counts(self, job_ids: Collection[int]) -> Mapping[int, int]:
        """Count the dead letters of each of these jobs; a job without any is left out."""
        rows = self._database.read(lambda connection: connection.execute(_COUNTS, {"jobs": job_ids}).all())
        return {row.job_id: row.found for row in rows}

    def keys(self, job_id: int) -> frozenset[str]:
        """Return the keys of all the job's dead letters, some 150 bytes of memory each."""
        query = sa.select(dead_letters.c.key).where(dead_letters.c.job_id == job_id)
        return self._database.read(lambda connection: frozenset(connection.scalars(query)))

    def reason(self, job_id: int, key: str) -> str | None:
        """Return why the row of a key could not be synced; None where it is no dead letter."""
        query = sa.select(dead_letters.c.reason).where(
            dead_letters.c.job_id == job_id, dead_letters.c.key_digest == digest(storable(key))
        )
        return self._database.read(lambda connection: connection.scalar(query))

    def list(self, job_id: int, limit: int = 100, after_key: str | None = None) -> builtins.list[DeadLetter]:
        """Return the job's dead letters in the order of their keys.

        Args:
            job_id: the job.
            limit: how many at most.
            after_key: the last key of the page before.
        """
        query = _LETTERS.where(dead_letters.c.job_id == job_id)
        if after_key is not None:
            query = query.where(dead_letters.c.key > storable(after_key))
        query = query.order_by(dead_letters.c.key).limit(limit)
        return self._database.read(
            lambda connection: [DeadLetter(**row) for row in connection.execute(query).mappings()]
        )

    def among(self, job_id: int, keys: Collection[str]) -> builtins.list[DeadLetter]:
        """Return those of the job's dead letters that have these keys, in the order of their keys."""

        def work(connection: sa.Connection) -> builtins.list[DeadLetter]:
            return [
                DeadLetter(**row)
                for among in _among(keys)
                for row in connection.execute(_LETTERS.where(dead_letters.c.job_id == job_id, among)).mappings()
            ]

        return sorted(self._database.read(work), key=lambda letter: letter.key)

    def discard(self, job_id: int, keys: Collection[str] | None, by: str | None, now: datetime) -> int:
        """Forget dead letters of a job, and return how many; the rows stay as they are.

        Args:
            keys: of the letters; None for all.
            by: the name of the token; None where none was needed.
            now: when, for the event that records it.
        """

        def work(connection: sa.Connection) -> int:
            fencing.lock(connection, job_id)
            if keys is None:
                every = sa.delete(dead_letters).where(dead_letters.c.job_id == job_id)
                count = connection.execute(every).rowcount
            else:
                count = resolve(connection, job_id, sorted(keys))
            if count:
                some = "" if keys is None else f", such as {min(keys)}"
                detail = f"{count} dead letters{some}" + ("" if by is None else f", by {by}")
                events.append(connection, job_id, "dead_letters_discarded", detail, now)
            return count

        return self._database.write(work)


def bury(database: Database, connection: sa.Connection, job_id: int, rejects: Sequence[Reject], now: datetime) -> None:
    """Keep rejected rows as part of a transaction; one that is known already counts another attempt."""
    if not rejects:
        return
    insert = database.upsert(dead_letters)
    upsert = insert.on_conflict_do_update(
        index_elements=["job_id", "key_digest"],
        set_={
            "reason": insert.excluded.reason,
            "attempts": dead_letters.c.attempts + 1,
            "last_seen": insert.excluded.last_seen,
        },
    )
    reasons = {storable(reject.key): reject.reason for reject in rejects}
    fixed = {"job_id": job_id, "attempts": 1, "first_seen": now, "last_seen": now}
    connection.execute(
        upsert,
        [{**fixed, "key": key, "key_digest": digest(key), "reason": reason} for key, reason in reasons.items()],
    )


def resolve(connection: sa.Connection, job_id: int, keys: Sequence[str]) -> int:
    """Forget dead letters as part of a transaction, and return how many; unknown keys are ignored."""
    return sum(
        connection.execute(sa.delete(dead_letters).where(dead_letters.c.job_id == job_id, among)).rowcount
        for among in _among(keys)
    )


def _among(keys: Collection[str]) -> Iterator[sa.ColumnElement[bool]]:
    """Return conditions that are met by these keys, some in each."""
    digests = sorted({digest(storable(key)) for key in keys})
    for start in range(0, len(digests), _BATCH):
        yield dead_letters.c.key_digest.in_(digests[start : start + _BATCH])
