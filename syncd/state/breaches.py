"""Which jobs are staler than a webhook allows: told once, and again after the job caught up in between."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from syncd.model.job import Job
from syncd.model.webhook import EventKind
from syncd.state.database import Database
from syncd.state.events import append
from syncd.state.schema import webhook_breaches, webhooks
from syncd.state.webhooks import enabled


class Breaches:
    """The breaches that go on, by webhook and job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def watched(self) -> bool:
        """Tell whether any webhook wants to know how far jobs are behind."""
        query = sa.select(webhooks.c.number).where(webhooks.c.enabled, webhooks.c.max_seconds_behind.is_not(None))
        return self._database.read(lambda connection: connection.scalar(query.limit(1))) is not None

    def judge(self, job: Job, seconds_behind: float, now: datetime) -> None:
        """Record an event for each webhook that allows less than this, and forget the breaches that are over.

        Args:
            job: the job.
            seconds_behind: for how long its knowledge base has not been in step with its table; 0 when it is.
            now: when that was found.
        """

        def work(connection: sa.Connection) -> None:
            for webhook in enabled(connection):
                most = webhook.max_seconds_behind
                if most is None or not webhook.wants(EventKind.FRESHNESS_BREACHED, job.name):
                    continue
                this = sa.and_(webhook_breaches.c.webhook == webhook.number, webhook_breaches.c.job_id == job.id)
                if seconds_behind <= most:
                    connection.execute(sa.delete(webhook_breaches).where(this))
                elif self._begin(connection, webhook.number, job.id, now):
                    detail = f"{seconds_behind:.0f} seconds behind its table; at most {most} are allowed"
                    append(connection, job.id, EventKind.FRESHNESS_BREACHED, detail, now, webhook=webhook.number)

        self._database.write(work)

    def _begin(self, connection: sa.Connection, webhook: int, job_id: int, now: datetime) -> bool:
        values = {"webhook": webhook, "job_id": job_id, "at": now}
        insert = self._database.upsert(webhook_breaches).values(**values).on_conflict_do_nothing()
        return connection.execute(insert.returning(webhook_breaches.c.job_id)).one_or_none() is not None
