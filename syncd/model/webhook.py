"""What is told to other programs: events, who wants them, and each message on its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syncd.model.run import Run


class EventKind(StrEnum):
    """What a webhook can be told."""

    RUN_STARTED = "run.started"
    RUN_COMPLETED = "run.completed"
    RUN_FAILED = "run.failed"
    RUN_CANCELED = "run.canceled"
    JOB_ENDED = "job.ended"
    JOB_BLOCKED = "job.blocked"
    FRESHNESS_BREACHED = "freshness.breached"


PING = "ping"
"""The kind of a message that only tries whether the receiver answers."""


class DeliveryStatus(StrEnum):
    """Where a message is on its way."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told of events.

    Args:
        number: its public id is `wh_` and this number.
        secret: what its messages are signed with.
        events: the kinds that it is told; empty for all.
        jobs: the names of the jobs that it is told about; None for all.
        max_seconds_behind: from how many seconds behind its table a job counts as stale; None for never.
        former_secret: signs too, until `former_until`.
    """

    number: int
    name: str
    url: str
    secret: str = field(repr=False)
    events: frozenset[EventKind]
    jobs: frozenset[str] | None
    max_seconds_behind: int | None
    enabled: bool
    created_at: datetime
    updated_at: datetime
    former_secret: str | None = field(default=None, repr=False)
    former_until: datetime | None = None

    @property
    def id(self) -> str:
        """The webhook's public id."""
        return f"wh_{self.number}"

    def wants(self, kind: EventKind, job_name: str) -> bool:
        """Tell whether this kind of event, of this job, is for it."""
        return (
            self.enabled and (not self.events or kind in self.events) and (self.jobs is None or job_name in self.jobs)
        )

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """Return what a message is signed with now, newest first."""
        if self.former_secret is not None and self.former_until is not None and now < self.former_until:
            return self.secret, self.former_secret
        return (self.secret,)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a message tells.

    Args:
        detail: the rest, for people; may be empty.
        run: as it is when the message is written; None where there is none, or none any more.
    """

    kind: str
    at: datetime
    detail: str = ""
    job_id: int | None = None
    job_name: str | None = None
    run_number: int | None = None
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one webhook, and how it fared.

    Args:
        number: its public id, the same at every attempt, is `whd_` and this number.
        next_attempt_at: when it is due; None once it was delivered or has failed.
        last_status: the HTTP status of the last answer, None when there was none.
    """

    number: int
    webhook: int
    kind: str
    job_id: int | None
    run_number: int | None
    body: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    delivered_at: datetime | None

    @property
    def id(self) -> str:
        """The message's public id."""
        return f"whd_{self.number}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt went.

    Args:
        status: the HTTP status of the answer, None when there was none.
        error: why it did not arrive, None when it did.
        retry_at: when to try again; None when it arrived, or for never.
    """

    status: int | None
    error: str | None = None
    retry_at: datetime | None = None
