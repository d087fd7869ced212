"""One execution of a job: its status, what it did, how far it came."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum

from syncd.model.record import Identity
from syncd.model.watermark import Watermark


class RunStatus(StrEnum):
    """Where a run is in its life; see the state machine in ARCHITECTURE.md."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELING = "canceling"
    COMPLETED = "completed"
    COMPLETED_WITH_WARNINGS = "completed_with_warnings"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    CANCELED = "canceled"
    SKIPPED = "skipped"

    @property
    def live(self) -> bool:
        """Whether the run has not ended yet."""
        return self in LIVE


LIVE = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.CANCELING})


class Trigger(StrEnum):
    """What started a run."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run did, in rows, documents and chunks."""

    records_read: int = 0
    embedded: int = 0
    metadata_updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    dead_lettered: int = 0
    chunks: int = 0
    truncated_tokens: int = 0

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
    """

    full: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """An entry of the queue that becomes an entry of the history.

    Args:
        number: grows with every run; the run's public id is `run_` and this number.
        progress: the share of the rows done, 0 to 1, None while the total is unknown.
        stages: seconds spent reading, comparing, splitting, embedding, writing and committing.
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
