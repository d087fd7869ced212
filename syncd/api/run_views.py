"""Runs as JSON: what is asked for, and what is told."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from syncd.api.schemas import Moment, Shown, example, safe
from syncd.model.fields import Model, Name, Tag
from syncd.model.fields import Moment as WrittenMoment
from syncd.model.job import FilterValue
from syncd.model.run import Run, RunStatus, Trigger

Tags = Annotated[dict[Tag, Tag], Field(max_length=32)]


class Counted(Shown):
    """What a run did, in rows, documents and chunks."""

    records_read: int
    embedded: int
    recalled: int
    inserted: int
    metadata_updated: int
    unchanged: int
    deleted: int
    dead_lettered: int
    chunks: int
    truncated_tokens: int
    swept: int
    repaired: int


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


class ExecutionTrace(Shown):
    """Where a run's time went."""

    queue_wait_ms: int | None
    """From when it was asked for to when it began; null before that."""
    total_ms: int | None
    """From when it began to its end; null before that."""


class RunView(Counted):
    """One execution of a job."""

    id: str
    job_id: str
    job_name: str
    job_version: int
    job_version_id: str
    status: RunStatus
    reason: str | None
    """What a run that has not begun waits for; null when for nothing but a worker."""
    trigger: Trigger
    triggered_by: Trigger
    """The same as `trigger`."""
    created_by: str | None
    """The name of the token that asked for it."""
    attempt: int
    """Which attempt this is or was, from 1; 0 before the first."""
    next_retry_at: Moment | None
    """When the next attempt begins, after one that failed."""
    created_at: Moment
    scheduled_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    heartbeat_at: Moment | None
    """When its process was last heard of; null unless it is running."""
    expires_at: Moment | None
    """When it is not wanted any more, if it has not begun."""
    seconds: float | None
    progress: float | None
    """The share of the rows that are done, 0 to 1; null while that is not known."""
    stages: dict[str, float]
    """Seconds spent in each stage."""
    execution_trace: ExecutionTrace
    watermark: str | None
    """How far the source has been read."""
    full_refresh: bool
    limit: int | None
    dry_run: bool
    repair: bool
    sweep: bool
    """Whether somebody asked for a sweep; one that is due is not told here."""
    replay: bool
    """Whether it reads rows of dead letters in place of what is new."""
    variables: dict[str, FilterValue]
    tags: dict[str, str]
    metadata: dict[str, str]
    error: str | None

    @classmethod
    def of(cls, run: Run, **more: object) -> Self:
        """Show a run."""
        waited = None if run.started_at is None else run.started_at - run.created_at
        return cls.model_validate(
            {
                "id": run.id,
                "job_id": f"job_{run.job_id}",
                "job_name": run.job_name,
                "job_version": run.job_version,
                "job_version_id": f"job_{run.job_id}.{run.job_version}",
                "status": run.status,
                "reason": run.reason,
                "trigger": run.trigger,
                "triggered_by": run.trigger,
                "created_by": run.created_by,
                "attempt": run.attempt,
                "next_retry_at": run.next_retry_at,
                "created_at": run.created_at,
                "scheduled_at": run.scheduled_at,
                "started_at": run.started_at,
                "finished_at": run.finished_at,
                "heartbeat_at": run.heartbeat_at,
                "expires_at": run.expires_at,
                "seconds": run.seconds,
                "progress": run.progress,
                "stages": run.stages,
                "execution_trace": ExecutionTrace(
                    queue_wait_ms=None if waited is None else round(waited.total_seconds() * 1000),
                    total_ms=None if run.seconds is None else round(run.seconds * 1000),
                ),
                "watermark": run.watermark,
                "full_refresh": run.options.full,
                "limit": run.options.limit,
                "dry_run": run.options.dry_run,
                "repair": run.options.repair,
                "sweep": run.options.sweep,
                "replay": run.options.replay,
                "variables": dict(run.options.variables),
                "tags": dict(run.options.tags),
                "metadata": dict(run.options.metadata),
                "error": safe(run.error),
                **run.counts.as_dict(),
                **more,
            }
        )


class TriggeredRun(RunView):
    """The run that answers a trigger."""

    idempotency_hit: bool
    """Whether an earlier request with the same key, or like this one, had asked for it already."""


class Output(Counted):
    """What a run did to a knowledge base."""

    kb_name: str


class Outputs(Shown):
    """What a run did, by knowledge base."""

    data: list[Output]


class LogLine(Shown):
    """A line of a run's log."""

    line: int
    """Its number, from 1."""
    at: Moment
    level: str
    message: str


class TriggerRequest(Model):
    """How the run that is asked for differs from the job's habit."""

    model_config = example(full_refresh=False, tags={"asked_by": "me"})

    variables: Annotated[dict[Name, FilterValue], Field(default_factory=dict, max_length=32)]
    """Values for the variables that the job's filters name: the run reads only what meets them."""
    dynamic_variables: Annotated[dict[Name, str], Field(default_factory=dict, max_length=32)]
    """Variables whose values are worked out now: `CurrentTime()`, `CurrentDate()`, `Yesterday()`, `Tomorrow()`,
    `CurrentUnixTimestamp()`, or `$NAME` for the value of another variable."""
    full_refresh: bool = False
    """Compare the whole table, whatever the watermark says."""
    limit: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """Read so many rows at most."""
    dry_run: bool = False
    """Read, compare, split and embed, and count what would be written, but write nothing."""
    repair: bool = False
    """In place of a run's work, compare the whole table with every chunk that is held, and mend what differs."""
    sweep: bool = False
    """Compare the whole table afterwards, and remove the documents that have no row any more."""
    scheduled_at: WrittenMoment | None = None
    """Do not begin before this moment, ISO 8601; without a zone it is UTC."""
    idempotency_key: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """The same key within 24 hours is answered with the same run; the header `Idempotency-Key` does the same."""
    dedup_window_secs: Annotated[int, Field(ge=1, le=2**31)] | None = None
    """Answer with the run of an equal request of the last so many seconds; in place of the job's own."""
    run_ttl_secs: Annotated[int, Field(ge=1, le=2**31)] | None = None
    """Expire after so many seconds without having begun; in place of the job's own."""
    tags: Annotated[Tags, Field(default_factory=dict)]
    """Names and values to find the run by."""
    metadata: Annotated[Tags, Field(default_factory=dict)]
    """Names and values that the run carries, beside the job's default_run_metadata."""


class BulkTrigger(Model):
    """Several runs of one job: all of them, or none."""

    items: Annotated[list[TriggerRequest], Field(min_length=1, max_length=500)]


class BulkResult(Shown):
    """One of the runs that were asked for together."""

    id: str
    status: RunStatus
    idempotency_hit: bool


class BulkTriggered(Shown):
    """The runs that answer a bulk trigger, in order."""

    results: list[BulkResult]
    total: int
    created: int
    """How many runs are new; requests alike share one."""


class ApprovedSweep(Shown):
    """What a sweep may remove now."""

    documents: int
    """How many documents it may remove."""
    run: RunView
    """The run that sweeps."""
