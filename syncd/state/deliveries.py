"""Messages to webhooks: made from events, taken one by one, kept until they have arrived or failed."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.errors import Conflict, NotFound
from syncd.model.webhook import PING, Delivery, DeliveryStatus, EventKind, Notice, Outcome, Webhook
from syncd.state import webhooks
from syncd.state.database import Database
from syncd.state.events import COLUMNS, Event
from syncd.state.run_rows import all_runs
from syncd.state.schema import events, jobs, runs, webhook_deliveries
from syncd.state.schema import webhooks as webhooks_table

KEPT = 1000
"""How many messages that have arrived or failed are remembered for each webhook."""
_BATCH = 200
_TOLD = {"job_ended": EventKind.JOB_ENDED, "job_blocked": EventKind.JOB_BLOCKED} | {kind: kind for kind in EventKind}

_table = webhook_deliveries.c

Body = Callable[[str, Notice], str]
"""Writes a message: its id and what it tells, to its text."""


class Deliveries:
    """The messages of all webhooks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spread(self, body: Body, now: datetime) -> bool:
        """Make a message of each event that was not told yet, for each webhook that wants it.

        An event is marked rather than passed by a cursor: transactions may end in another order than they began, and
        none of their events may be missed.

        Returns:
            Whether more events wait.
        """
        untold = sa.select(*COLUMNS).where(events.c.told_at.is_(None)).order_by(events.c.number).limit(_BATCH)
        if self._database.read(lambda connection: connection.execute(untold.limit(1)).one_or_none()) is None:
            return False

        def work(connection: sa.Connection) -> bool:
            found = [Event(**row) for row in connection.execute(untold.with_for_update()).mappings()]
            listeners = webhooks.enabled(connection)
            for event in found:
                _tell(connection, event, listeners, body, now)
            numbers = [event.number for event in found]
            connection.execute(sa.update(events).where(events.c.number.in_(numbers)).values(told_at=now))
            return len(found) == _BATCH

        return self._database.write(work)

    def add_ping(self, webhook: int, body: Body, now: datetime, hold: timedelta) -> Delivery:
        """Add a message that tells nothing, and take it. Raises NotFound."""

        def work(connection: sa.Connection) -> Delivery:
            webhooks.find(connection, webhook, lock=True)
            number = _add(connection, webhook, Notice(PING, now), body, now)
            return _take(connection, number, now + hold)

        return self._database.write(work)

    def due(self, now: datetime) -> builtins.list[int]:
        """Return the numbers of the enabled webhooks that have a message to be sent now."""
        query = (
            sa.select(_table.webhook)
            .join(webhooks_table, webhooks_table.c.number == _table.webhook)
            .where(webhooks_table.c.enabled, *_is_due(now))
            .distinct()
        )
        return self._database.read(lambda connection: list(connection.scalars(query)))

    def take(self, webhook: int, now: datetime, hold: timedelta) -> tuple[Webhook, Delivery] | None:
        """Take the webhook's oldest message that is due, so that nobody else sends it meanwhile.

        Args:
            webhook: the webhook's number.
            now: the moment to judge by.
            hold: when it is not recorded within this time, whoever took it is dead, and it is due again.

        Returns:
            Both, or None when there is nothing to send.
        """
        query = sa.select(_table.number).where(_table.webhook == webhook, *_is_due(now)).order_by(_table.number)

        def work(connection: sa.Connection) -> tuple[Webhook, Delivery] | None:
            number = connection.scalar(query.limit(1).with_for_update(skip_locked=True))
            if number is None:
                return None
            to = webhooks.find(connection, webhook)
            return (to, _take(connection, number, now + hold)) if to.enabled else None

        return self._database.write(work)

    def record(self, delivery: Delivery, outcome: Outcome, now: datetime) -> None:
        """Write down how an attempt went, and forget the webhook's oldest messages that are over.

        A message that is gone, or over by another's attempt, stays so.
        """
        change: dict[str, object] = {"last_status": outcome.status, "last_error": outcome.error}
        if outcome.error is None:
            change |= {"status": DeliveryStatus.DELIVERED, "delivered_at": now, "next_attempt_at": None}
        elif outcome.retry_at is None:
            change |= {"status": DeliveryStatus.FAILED, "next_attempt_at": None}
        else:
            change |= {"next_attempt_at": outcome.retry_at}
        over = sa.select(_table.number).where(
            _table.webhook == delivery.webhook, _table.status != DeliveryStatus.PENDING
        )
        last = over.order_by(_table.number.desc()).offset(KEPT).limit(1).scalar_subquery()

        def work(connection: sa.Connection) -> None:
            pending = sa.and_(_table.number == delivery.number, _table.status == DeliveryStatus.PENDING)
            connection.execute(sa.update(webhook_deliveries).where(pending).values(**change))
            oldest = over.where(_table.number <= last)
            connection.execute(sa.delete(webhook_deliveries).where(_table.number.in_(oldest)))

        self._database.write(work)

    def get(self, webhook: int, number: int) -> Delivery:
        """Return a message of a webhook. Raises NotFound."""
        return self._database.read(lambda connection: _find(connection, webhook, number))

    def list(self, webhook: int, limit: int = 50, before: int | None = None) -> builtins.list[Delivery]:
        """Return a webhook's messages, newest first.

        Args:
            webhook: the webhook's number.
            limit: how many at most.
            before: only those with a smaller number: the last of the page before.
        """
        query = sa.select(webhook_deliveries).where(_table.webhook == webhook)
        if before is not None:
            query = query.where(_table.number < before)
        query = query.order_by(_table.number.desc()).limit(limit)
        return self._database.read(lambda connection: [_delivery(row) for row in connection.execute(query)])

    def redeliver(self, webhook: int, number: int, now: datetime) -> Delivery:
        """Let a message be due now, with all its attempts before it, whatever became of it.

        Raises:
            NotFound: there is no such message.
            Conflict: the webhook is disabled.
        """

        def work(connection: sa.Connection) -> Delivery:
            if not webhooks.find(connection, webhook).enabled:
                raise Conflict(f"wh_{webhook} is disabled", 'enable it first: PATCH with {"enabled": true}')
            _find(connection, webhook, number)
            again = {"status": DeliveryStatus.PENDING, "attempts": 0, "next_attempt_at": now, "delivered_at": None}
            connection.execute(sa.update(webhook_deliveries).where(_table.number == number).values(**again))
            return _find(connection, webhook, number)

        return self._database.write(work)


def _tell(
    connection: sa.Connection, event: Event, listeners: builtins.list[Webhook], body: Body, now: datetime
) -> None:
    kind = _TOLD.get(event.kind)
    if kind is None or event.job_id is None or not listeners:
        return
    name = connection.scalars(sa.select(jobs.c.name).where(jobs.c.id == event.job_id)).one()
    found = [] if event.run_number is None else all_runs(connection, runs.c.number == event.run_number)
    run = found[0] if found else None
    # What a run's event says in words is its status, which the run itself says too.
    detail = "" if event.run_number is not None else event.detail
    notice = Notice(kind, event.at, detail, event.job_id, name, event.run_number, run)
    for webhook in listeners:
        if event.webhook in {None, webhook.number} and event.at >= webhook.created_at and webhook.wants(kind, name):
            _add(connection, webhook.number, notice, body, now)


def _add(connection: sa.Connection, webhook: int, notice: Notice, body: Body, now: datetime) -> int:
    insert = sa.insert(webhook_deliveries).values(
        webhook=webhook,
        kind=notice.kind,
        job_id=notice.job_id,
        run_number=notice.run_number,
        body="",
        status=DeliveryStatus.PENDING,
        attempts=0,
        next_attempt_at=now,
        created_at=now,
    )
    number: int = connection.scalars(insert.returning(_table.number)).one()
    # The message names its own id, so it can only be written now.
    text = body(f"whd_{number}", notice)
    connection.execute(sa.update(webhook_deliveries).where(_table.number == number).values(body=text))
    return number


def _take(connection: sa.Connection, number: int, until: datetime) -> Delivery:
    change = {"attempts": _table.attempts + 1, "next_attempt_at": until}
    statement = sa.update(webhook_deliveries).where(_table.number == number).values(**change)
    return _delivery(connection.execute(statement.returning(webhook_deliveries)).one())


def _is_due(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    # Written out, so that the index over pending messages serves.
    pending = sa.text(f"webhook_deliveries.status = '{DeliveryStatus.PENDING}'")
    return sa.and_(pending), _table.next_attempt_at <= now


def _find(connection: sa.Connection, webhook: int, number: int) -> Delivery:
    query = sa.select(webhook_deliveries).where(_table.webhook == webhook, _table.number == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"wh_{webhook} has no delivery whd_{number}", "its oldest deliveries are forgotten")
    return _delivery(row)


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    fields = dict(row._mapping)
    return Delivery(**fields | {"status": DeliveryStatus(row.status)})
