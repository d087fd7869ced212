"""What the API takes and gives, as JSON."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from syncd.model.job import Column, Job, JobStatus, Model, Origin
from syncd.model.record import Match, MetadataValue
from syncd.model.run import Checkpoint, Run, RunStatus, Trigger
from syncd.model.schedule import as_utc
from syncd.telemetry import hide_passwords

Moment = Annotated[datetime, AfterValidator(as_utc)]
"""A time that is told in UTC, with a Z."""


class Shown(BaseModel):
    """Something that the API tells."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Detail(Shown):
    """One thing that is wrong, and where."""

    field: str | None
    """The field or parameter, null when it is none of them."""
    message: str


class Fault(Shown):
    """Why a request was not done."""

    code: str
    """The same for the same kind of error, for programs to decide by."""
    message: str
    details: list[Detail]


class Problem(Shown):
    """What every answer that is not a success looks like."""

    error: Fault
    request_id: str
    """Also in the header X-Request-Id and in the log."""


class Health(Shown):
    """Answered as long as the process answers."""

    status: Literal["ok", "ready"]


class Counted(Shown):
    """What a run did, in rows, documents and chunks."""

    records_read: int
    embedded: int
    metadata_updated: int
    unchanged: int
    deleted: int
    dead_lettered: int
    chunks: int
    truncated_tokens: int


class LastRun(Counted):
    """The run of a job that ended last."""

    id: str
    status: RunStatus
    trigger: Trigger
    started_at: Moment | None
    finished_at: Moment | None
    seconds: float | None

    @classmethod
    def of(cls, run: Run) -> LastRun:
        """Show a run briefly."""
        return cls(
            id=run.id,
            status=run.status,
            trigger=run.trigger,
            started_at=run.started_at,
            finished_at=run.finished_at,
            seconds=run.seconds,
            **run.counts.as_dict(),
        )


class RunView(Counted):
    """One execution of a job."""

    id: str
    job_id: str
    job_name: str
    job_version: int
    status: RunStatus
    trigger: Trigger
    attempt: int
    """Which attempt this is or was, from 1; 0 before the first."""
    created_at: Moment
    scheduled_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    seconds: float | None
    progress: float | None
    """The share of the rows that are done, 0 to 1; null while that is not known."""
    stages: dict[str, float]
    """Seconds spent in each stage."""
    watermark: str | None
    """How far the source has been read."""
    error: str | None

    @classmethod
    def of(cls, run: Run) -> RunView:
        """Show a run."""
        return cls(
            id=run.id,
            job_id=f"job_{run.job_id}",
            job_name=run.job_name,
            job_version=run.job_version,
            status=run.status,
            trigger=run.trigger,
            attempt=run.attempt,
            created_at=run.created_at,
            scheduled_at=run.scheduled_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            seconds=run.seconds,
            progress=run.progress,
            stages=run.stages,
            watermark=run.watermark,
            error=_safe(run.error),
            **run.counts.as_dict(),
        )


class JobView(Shown):
    """A job and how it stands."""

    id: str
    name: str
    status: JobStatus
    origin: Origin
    version: int
    source_table: str
    kb_name: str
    filter_column: str
    interval: str
    start_time: Moment | None
    end_time: Moment | None
    next_run: Moment | None
    """The next tick; null when there will be none."""
    last_run: LastRun | None
    watermark: str | None
    """How far the source has been read; null before anything was."""
    blocked_reason: str | None
    """Why the job cannot work until someone changes something; null when nothing is wrong."""
    dead_letters: int
    """How many rows could not be synced and wait to be mended."""
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(
        cls,
        job: Job,
        *,
        now: datetime,
        running: bool,
        last_run: Run | None,
        checkpoint: Checkpoint | None,
        dead_letters: int,
    ) -> JobView:
        """Show a job.

        Args:
            job: the job.
            now: the moment to judge its schedule by.
            running: whether a run of it is going on.
            last_run: the run that ended last.
            checkpoint: how far it has come.
            dead_letters: how many rows wait to be mended.
        """
        read = checkpoint is not None and checkpoint.watermark.value is not None
        definition = job.definition
        return cls(
            id=f"job_{job.id}",
            name=job.name,
            status=job.status(now, running=running),
            origin=job.origin,
            version=job.version,
            source_table=definition.source_table,
            kb_name=definition.kb_name,
            filter_column=definition.filter_column,
            interval=definition.interval,
            start_time=definition.start_time,
            end_time=definition.end_time,
            next_run=definition.schedule.next_tick(now) if job.due else None,
            last_run=None if last_run is None else LastRun.of(last_run),
            watermark=str(checkpoint.watermark) if checkpoint is not None and read else None,
            blocked_reason=_safe(job.blocked),
            dead_letters=dead_letters,
            created_at=job.created_at,
            updated_at=job.updated_at,
        )


def _scalar(value: object) -> MetadataValue:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError("must be text, a number of at most 64 bits, true, false or null")


class SearchRequest(Model):
    """What to look for in a knowledge base."""

    query: Annotated[str, Field(min_length=1, max_length=10_000)]
    """The text that the answers shall be near to in meaning."""
    k: Annotated[int, Field(ge=1, le=100)] = 5
    """How many chunks at most."""
    where: Annotated[
        dict[
            Column,
            Annotated[
                MetadataValue,
                PlainValidator(_scalar),
                WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
            ],
        ],
        Field(default_factory=dict, max_length=32),
    ]
    """Metadata that the chunks must equal, by column."""


class MatchView(Shown):
    """A chunk that was found."""

    id: str
    score: float
    """The cosine similarity to the query; 1 is equal."""
    text: str
    metadata: dict[str, MetadataValue]

    @classmethod
    def of(cls, match: Match) -> MatchView:
        """Show a match."""
        return cls(id=match.id, score=match.score, text=match.text, metadata=dict(match.metadata))


class Found(Shown):
    """The chunks nearest to a query, nearest first."""

    data: list[MatchView]


def _safe(text: str | None) -> str | None:
    return None if text is None else hide_passwords(text)
