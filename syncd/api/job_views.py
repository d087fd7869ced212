"""Jobs as JSON: what is asked for, and what is told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, create_model

from syncd.api.run_views import LastRun
from syncd.api.schemas import EXAMPLE_JOB, Fault, Moment, Shown, example, safe
from syncd.model.fields import Model, Name
from syncd.model.job import Job, JobDefinition, JobStatus, Origin
from syncd.model.policy import Condition
from syncd.model.run import Checkpoint, Run
from syncd.state import JobVersion

Reference = Annotated[str, Field(min_length=1, max_length=128)]
"""A job's id or its name."""


class NewJob(JobDefinition):
    """A job that shall be."""

    model_config = example(name="sync_orders", **EXAMPLE_JOB)

    name: Name
    """What the job is called; no other job may have the name."""

    @property
    def definition(self) -> JobDefinition:
        """The job without its name."""
        return JobDefinition.model_validate({name: getattr(self, name) for name in JobDefinition.model_fields})


def _optional() -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, field in JobDefinition.model_fields.items():
        kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        fields[name] = (kind | None, Field(default=None, description=field.description))
    return create_model(
        "JobPatch",
        __config__=ConfigDict(
            extra="forbid", strict=True, frozen=True, json_schema_extra={"examples": [{"interval": "1 HOUR"}]}
        ),
        __doc__="The fields of a job that shall change; null takes a field back to its default.",
        **fields,
    )


JobPatch = _optional()


class JobView(JobDefinition):
    """A job and how it stands."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    id: str
    name: str
    slug: str
    """The same as `name`."""
    status: JobStatus
    origin: Origin
    defined_in: str
    """The file and line, or the API."""
    version: int
    version_id: str
    timeout_secs: int
    """`timeout` in seconds."""
    paused: bool
    next_run: Moment | None
    """The next tick; null when there will be none."""
    last_run: LastRun | None
    watermark: str | None
    """How far the source has been read; null before anything was."""
    blocked_reason: str | None
    """Why the job cannot work until someone changes something; null when nothing is wrong."""
    dead_letters: int
    """How many rows could not be synced and wait to be mended."""
    created_by: str | None
    """The name of the token that made it; null for nobody in particular."""
    updated_by: str | None
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
        place: str,
    ) -> Self:
        """Show a job.

        Args:
            job: the job.
            now: the moment to judge its schedule by.
            running: whether a run of it is going on.
            last_run: the run that ended last.
            checkpoint: how far it has come.
            dead_letters: how many rows wait to be mended.
            place: where it is defined.
        """
        read = checkpoint is not None and checkpoint.watermark.value is not None
        return cls(
            **dict(job.definition),
            id=job.public_id,
            name=job.name,
            slug=job.name,
            status=job.status(now, running=running),
            origin=job.origin,
            defined_in=place,
            version=job.version,
            version_id=f"{job.public_id}.{job.version}",
            timeout_secs=round(job.definition.time_limit.total_seconds()),
            paused=job.paused,
            next_run=job.definition.schedule.next_tick(now) if job.due else None,
            last_run=None if last_run is None else LastRun.of(last_run),
            watermark=str(checkpoint.watermark) if checkpoint is not None and read else None,
            blocked_reason=safe(job.blocked),
            dead_letters=dead_letters,
            created_by=job.created_by,
            updated_by=job.updated_by,
            created_at=job.created_at,
            updated_at=job.updated_at,
        )


class VersionView(JobDefinition):
    """A job's definition as it was from a moment on."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    id: str
    job_id: str
    version: int
    name: str
    slug: str
    """The same as `name`."""
    timeout_secs: int
    created_by: str | None
    created_at: Moment

    @classmethod
    def of(cls, job: Job, version: JobVersion) -> Self:
        """Show a version of a job."""
        return cls(
            **dict(version.definition),
            id=f"{job.public_id}.{version.version}",
            job_id=job.public_id,
            version=version.version,
            name=job.name,
            slug=job.name,
            timeout_secs=round(version.definition.time_limit.total_seconds()),
            created_by=version.created_by,
            created_at=version.created_at,
        )


class HealthView(Shown):
    """How a job has been doing for some time; durations are in seconds."""

    total_runs: int
    completed_runs: int
    failed_runs: int
    timed_out_runs: int
    crashed_runs: int
    canceled_runs: int
    expired_runs: int
    success_rate: float | None
    """The share of runs that completed, 0 to 1, canceled ones aside; null without runs."""
    avg_duration_secs: float | None
    p95_duration_secs: float | None
    health_score: float | None
    """0 to 100: 70 for the success rate, 30 for durations that stay alike; null without runs."""
    rows_behind: int | None
    """How many rows the next run has yet to read; null before the first run, and when the table cannot be asked."""
    seconds_behind: float | None
    """How long ago the last successful run ended; null before the first."""


class Batch(Model):
    """Jobs that shall be, each by itself: one that cannot be does not keep the others from it."""

    jobs: Annotated[list[NewJob], Field(min_length=1, max_length=50)]


class Named(Model):
    """Several jobs, by name or id."""

    jobs: Annotated[list[Reference], Field(default_factory=list, max_length=50)]


class BatchResult(Shown):
    """What became of one of several."""

    name: str
    job: JobView | None
    """The job, where it worked."""
    error: Fault | None
    """Why not, where it did not."""


class BatchDone(Shown):
    """What became of each, in order."""

    results: list[BatchResult]
    succeeded: int
    failed: int


class CloneRequest(Model):
    """What the new job is called, and what it fills."""

    model_config = example(name="sync_orders_again", kb_name="orders_kb_2")

    kb_name: Name
    """The knowledge base to fill: another one, since two jobs do not fill one from the same table."""

    name: Name | None = None
    """Its name; by default that of the other with `_copy` behind it."""


class DependencyRequest(Model):
    """A job that has to run first."""

    model_config = example(depends_on_job_id="items")

    depends_on_job_id: Reference
    """Its id or its name."""
    condition: Annotated[Condition, Field(strict=False)] = Condition.COMPLETED
    """How its run must have ended: completed, failed or any."""


class DependencyView(Shown):
    """A job that has to run before another."""

    id: str
    job_id: str
    depends_on_job_id: str
    depends_on: str
    """The name of the job that has to run first."""
    condition: Condition


class Dependencies(Shown):
    """The jobs that have to run first."""

    data: list[DependencyView]


class WatermarkView(Shown):
    """How far a job has read its table."""

    value: str | None
    """Everything at or below it is in the knowledge base; null before anything was read."""
    kb_uuid: str | None
    """Which knowledge base that holds for."""
    read_at: Moment | None
    """When the table was last read to its end, by the clock of its database."""


class WatermarkReset(Model):
    """Takes a watermark back to the beginning: the next run compares the whole table, and embeds only what differs."""

    value: None
    """Always null: a watermark set by hand could pass over rows."""
    reason: Annotated[str, Field(max_length=500)] = "reset through the API"
    """Why, for the record."""
