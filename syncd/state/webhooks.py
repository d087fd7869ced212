"""Webhooks: who is told of events, and where."""

from __future__ import annotations

import builtins
from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.errors import Conflict, NotFound
from syncd.model.webhook import EventKind, Webhook
from syncd.state.database import Database
from syncd.state.schema import webhook_breaches, webhook_deliveries, webhooks

FORMER_SECRET_FOR = timedelta(hours=24)
"""How long a secret that was replaced goes on to sign, so that receivers can change over."""


class Webhooks:
    """The webhooks of a state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        url: str,
        secret: str,
        now: datetime,
        *,
        events: Collection[EventKind] = (),
        jobs: Collection[str] | None = None,
        max_seconds_behind: int | None = None,
        enabled: bool = True,
    ) -> Webhook:
        """Add a webhook; it is told of what happens from now on.

        Args:
            name: what people call it; unique.
            url: where its messages go; the caller has checked it.
            secret: what they are signed with.
            now: when.
            events, jobs, max_seconds_behind, enabled: see `Webhook`.

        Raises:
            Conflict: the name is taken.
        """
        values = {
            "name": name,
            "url": url,
            "secret": secret,
            "events": sorted(set(events)),
            "jobs": None if jobs is None else sorted(set(jobs)),
            "max_seconds_behind": max_seconds_behind,
            "enabled": enabled,
            "created_at": now,
            "updated_at": now,
        }
        insert = self._database.upsert(webhooks).values(**values).on_conflict_do_nothing().returning(webhooks.c.number)

        def work(connection: sa.Connection) -> Webhook:
            number = connection.scalars(insert).one_or_none()
            if number is None:
                raise _taken(name)
            return find(connection, number)

        return self._database.write(work)

    def get(self, number: int) -> Webhook:
        """Return the webhook of that number. Raises NotFound."""
        return self._database.read(lambda connection: find(connection, number))

    def list(self, limit: int = 50, after: int = 0) -> builtins.list[Webhook]:
        """Return webhooks, oldest first.

        Args:
            limit: how many at most.
            after: only those with a larger number: the last of the page before.
        """
        query = sa.select(webhooks).where(webhooks.c.number > after).order_by(webhooks.c.number).limit(limit)
        return self._database.read(lambda connection: [_webhook(row) for row in connection.execute(query)])

    def change(self, number: int, now: datetime, **change: object) -> Webhook:
        """Change the fields that are given.

        Args:
            change: `name`, `url`, `events`, `jobs`, `max_seconds_behind`, `enabled`.

        Raises:
            NotFound: there is no such webhook.
            Conflict: the name is taken by another one.
        """
        stored = {key: sorted(set(value)) if isinstance(value, list) else value for key, value in change.items()}

        def work(connection: sa.Connection) -> Webhook:
            find(connection, number, lock=True)
            namesake = sa.select(webhooks.c.number).where(webhooks.c.name == stored.get("name"))
            if connection.scalar(namesake.where(webhooks.c.number != number)) is not None:
                raise _taken(str(stored["name"]))
            connection.execute(sa.update(webhooks).where(webhooks.c.number == number).values(updated_at=now, **stored))
            return find(connection, number)

        return self._database.write(work)

    def rotate(self, number: int, secret: str, now: datetime) -> Webhook:
        """Sign with another secret from now on; the one before signs too, for 24 hours. Raises NotFound."""

        def work(connection: sa.Connection) -> Webhook:
            former = find(connection, number, lock=True).secret
            change = {"secret": secret, "former_secret": former, "former_until": now + FORMER_SECRET_FOR}
            connection.execute(sa.update(webhooks).where(webhooks.c.number == number).values(updated_at=now, **change))
            return find(connection, number)

        return self._database.write(work)

    def remove(self, number: int) -> None:
        """Remove a webhook with all its messages. Raises NotFound."""

        def work(connection: sa.Connection) -> None:
            find(connection, number, lock=True)
            connection.execute(sa.delete(webhook_deliveries).where(webhook_deliveries.c.webhook == number))
            connection.execute(sa.delete(webhook_breaches).where(webhook_breaches.c.webhook == number))
            connection.execute(sa.delete(webhooks).where(webhooks.c.number == number))

        self._database.write(work)


def find(connection: sa.Connection, number: int, *, lock: bool = False) -> Webhook:
    """Return the webhook of that number as part of a transaction. Raises NotFound."""
    query = sa.select(webhooks).where(webhooks.c.number == number)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"there is no webhook wh_{number}", "GET /v1/webhooks lists the webhooks")
    return _webhook(row)


def enabled(connection: sa.Connection) -> builtins.list[Webhook]:
    """Return the webhooks that are told anything, as part of a transaction; none of them goes before it ends."""
    query = sa.select(webhooks).where(webhooks.c.enabled).order_by(webhooks.c.number).with_for_update(read=True)
    return [_webhook(row) for row in connection.execute(query)]


def _webhook(row: sa.Row[tuple[object, ...]]) -> Webhook:
    return Webhook(
        number=row.number,
        name=row.name,
        url=row.url,
        secret=row.secret,
        former_secret=row.former_secret,
        former_until=row.former_until,
        events=frozenset(EventKind(kind) for kind in row.events),
        jobs=None if row.jobs is None else frozenset(row.jobs),
        max_seconds_behind=row.max_seconds_behind,
        enabled=row.enabled,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a webhook {name!r} already", "choose another name, or change that one")
