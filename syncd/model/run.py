"""One execution of a job: its status, what it did, how far it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum

from syncd.model.job import FilterValue
from syncd.model.record import Identity
from syncd.model.watermark import Watermark


class RunStatus(StrEnum):
    """Where a run is in its life; see the state machine in ARCHITECTURE.md."""

    DELAYED = "delayed"
    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    CANCELING = "canceling"
    COMPLETED = "completed"
    COMPLETED_WITH_WARNINGS = "completed_with_warnings"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    SKIPPED = "skipped"

    @property
    def live(self) -> bool:
        """Whether the run has not ended yet."""
        return self in LIVE


PENDING = frozenset({RunStatus.DELAYED, RunStatus.QUEUED, RunStatus.WAITING})
"""Not begun: its time has not come, a worker has not, or a job that has to run first has not run."""
LIVE = PENDING | {RunStatus.RUNNING, RunStatus.CANCELING}
SUCCESSFUL = (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_WARNINGS)
FAILED = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.CRASHED)


class Trigger(StrEnum):
    """What started a run."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    API = "api"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run did, in rows, documents and chunks.

    Args:
        records_read: the rows of its pass.
        embedded: the documents that were embedded.
        recalled: the documents whose vectors were taken from another generation.
        inserted: those of both that were not held before.
        swept: the rows that were compared beside the pass, in a sweep or a repair.
        repaired: the documents that a repair wrote anew.
    """

    records_read: int = 0
    embedded: int = 0
    recalled: int = 0
    inserted: int = 0
    metadata_updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    dead_lettered: int = 0
    chunks: int = 0
    truncated_tokens: int = 0
    swept: int = 0
    repaired: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How one run differs from the job's habit.

    Args:
        full: read the table from the beginning, whatever the watermark says.
        limit: stop after this many rows.
        dry_run: read, compare, split and embed, but write and remember nothing.
        variables: values for the job's filters that name a variable; see `Filter`.
        sweep: compare the whole table after the pass, and remove what has no row, whether a sweep is due or not.
        repair: compare the whole table with every chunk that is held, in place of the pass, and mend what differs.
        replay: read only the rows that are in the dead letters, in place of the pass.
        keys: of those only the rows of these keys, as the dead letters name them; all of them where none is named.
        force: go on now, whatever the execution window and the job's dependencies say, and if the job is disabled.
        tags, metadata: names and values that the run carries.
    """

    full: bool = False
    limit: int | None = None
    dry_run: bool = False
    sweep: bool = False
    repair: bool = False
    replay: bool = False
    keys: tuple[str, ...] = ()
    variables: Mapping[str, FilterValue] = field(default_factory=dict)
    force: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether a run that waits can take the request on, since it does all that is asked for."""
        return not (self.dry_run or self.repair or self.replay or self.variables or self.tags or self.metadata)

    @property
    def moves_watermark(self) -> bool:
        """Whether what the run has read counts as read for the runs after it."""
        return not (self.dry_run or self.repair or self.replay or self.variables)

    def widened(self, other: RunOptions) -> RunOptions:
        """Return the options that do what both of two plain ones ask for."""
        limit = None if self.limit is None or other.limit is None else max(self.limit, other.limit)
        return replace(
            self,
            full=self.full or other.full,
            limit=limit,
            sweep=self.sweep or other.sweep,
            force=self.force or other.force,
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a run may begin.

    Args:
        status: queued when it may; delayed or waiting when it may not yet.
        reason: what it waits for, None when for a worker only.
        opens_at: when it opens by itself, None when that is not known.
    """

    status: RunStatus = RunStatus.QUEUED
    reason: str | None = None
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What asks for a run, apart from its options.

    Args:
        trigger: who asks.
        scheduled_at: the tick's time, or the moment that it shall not begin before.
        gate: what the run waits for, if it may not begin at once.
        expires_at: the moment at which it is not wanted any more, if it has not begun.
        digest: of all that was asked for, to find the same request again.
        created_by: the name of the token.
        key: makes the request the same one as an earlier one with that key, for a day.
        alike_since: a request with the same digest since then is the same one.
    """

    trigger: Trigger
    scheduled_at: datetime
    gate: Gate = Gate()
    expires_at: datetime | None = None
    digest: str | None = None
    created_by: str | None = None
    key: str | None = None
    alike_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """An entry of the queue that becomes an entry of the history.

    Args:
        number: grows with every run; the run's public id is `run_` and this number.
        progress: the share of the rows done, 0 to 1, None while the total is unknown.
        stages: seconds spent reading, comparing, splitting, embedding, writing and committing.
        reason: what it waits for, None when for nothing but a worker.
        heartbeat_at: when its process was last heard of.
        next_retry_at: when its next attempt begins, None when none is waited for.
        expires_at: when it is not wanted any more, if it has not begun.
        created_by: the name of the token that asked for it.
        plain: whether other requests may become part of it while it waits; see `RunOptions`.
    """

    number: int
    job_id: int
    job_name: str
    job_version: int
    status: RunStatus
    trigger: Trigger
    created_at: datetime
    scheduled_at: datetime
    options: RunOptions = RunOptions()
    attempt: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    counts: Counts = Counts()
    progress: float | None = None
    stages: dict[str, float] = field(default_factory=dict)
    watermark: str | None = None
    error: str | None = None
    reason: str | None = None
    heartbeat_at: datetime | None = None
    next_retry_at: datetime | None = None
    expires_at: datetime | None = None
    created_by: str | None = None
    plain: bool = True

    @property
    def id(self) -> str:
        """The run's public id."""
        return f"run_{self.number}"

    @property
    def seconds(self) -> float | None:
        """How long the run took, None while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one job and to move its watermark.

    Args:
        owner: the process that holds it; see `syncd.state.leases`.
        token: the fencing token; grows each time the lease changes hands.
    """

    job_id: int
    owner: str
    token: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a job has done so far, saved with the run's counts in one transaction.

    Args:
        watermark: how far the source has been read.
        meaning: the hash of the definition that the watermark belongs to.
        identity: the knowledge base that holds what was read.
        glance: how the source looked from the lower bound up when it was last read to its end; None after a
            pass that did not reach the end.
        read_at: when that was, by the source's clock.
    """

    watermark: Watermark
    meaning: str
    identity: Identity
    glance: str | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that could not be synced: its key, the reason, and how often it was tried."""

    job_id: int
    key: str
    reason: str
    attempts: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Sweep:
    """A job's newest comparison of its whole table.

    Args:
        swept_at: when it began.
        orphans: how many documents it would have removed, when it removed none because that needs approval.
        documents: of how many.
        approved_at, approved_by: when somebody said that the next one may remove as many, and the name of the token.
    """

    swept_at: datetime
    orphans: int | None = None
    documents: int | None = None
    approved_at: datetime | None = None
    approved_by: str | None = None

    @property
    def approved(self) -> int:
        """How many documents the next sweep may remove, whatever share of all they are."""
        return self.orphans or 0 if self.approved_at is not None else 0

    @property
    def withheld(self) -> str | None:
        """Say what waits for approval; None when nothing does."""
        if self.orphans is None or self.approved_at is not None:
            return None
        return too_many(self.orphans, self.documents or 0)


def too_many(orphans: int, documents: int) -> str:
    """Say that a sweep waits for somebody's word before it removes so many of so many documents."""
    return (
        f"a sweep would remove {orphans} of {documents} documents, and has removed none: if the table is right, "
        "`syncd jobs approve`; if not, mend it, and the next sweep looks again"
    )
