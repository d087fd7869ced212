"""Integrate.io's jobs and schedules as JSON: what is asked for, and what is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syncd.api.schemas import Moment, Shown, safe
from syncd.model.job import Job, JobDefinition
from syncd.model.run import FAILED, SUCCESSFUL, Run, RunStatus

TAG = "integrate_io"
"""The tag of a job, and the metadata of a run, that hold what Integrate.io's callers say."""

Number = Annotated[int, Field(ge=1, le=10**18)]
Variable = Annotated[str, Field(min_length=1, max_length=255)]
Value = Annotated[str, Field(max_length=10_000)] | int | Annotated[float, Field(allow_inf_nan=False)] | bool


class IntegrateIoStatus(StrEnum):
    """Where a job is in its life."""

    IDLE = "idle"
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PENDING_STOPPAGE = "pending_stoppage"
    STOPPING = "stopping"
    STOPPED = "stopped"


_STATUSES = {
    RunStatus.DELAYED: IntegrateIoStatus.IDLE,
    RunStatus.QUEUED: IntegrateIoStatus.QUEUED,
    RunStatus.WAITING: IntegrateIoStatus.PENDING,
    RunStatus.RUNNING: IntegrateIoStatus.RUNNING,
    RunStatus.CANCELING: IntegrateIoStatus.STOPPING,
    RunStatus.CANCELED: IntegrateIoStatus.STOPPED,
    RunStatus.EXPIRED: IntegrateIoStatus.STOPPED,
    RunStatus.SKIPPED: IntegrateIoStatus.STOPPED,
    **dict.fromkeys(SUCCESSFUL, IntegrateIoStatus.COMPLETED),
    **dict.fromkeys(FAILED, IntegrateIoStatus.FAILED),
}


class JobCreate(BaseModel):
    """A run that is asked for."""

    model_config = ConfigDict(frozen=True, strict=True, use_attribute_docstrings=True)

    cluster_id: Annotated[int, Field(ge=0, le=10**18)]
    """Is told again, and changes nothing."""
    package_id: Number
    """The job's number, or the value of its tag `integrate_io`."""
    variables: Annotated[dict[Variable, Value], Field(max_length=100)] = {}
    """Those that the job's filters name are bound to them; the others are told again, and change nothing."""
    dynamic_variables: Annotated[dict[Variable, Annotated[str, Field(max_length=255)]], Field(max_length=100)] = {}
    """Variables whose values are worked out now: `CurrentTime()`, `CurrentDate()`, `Yesterday()`, `Tomorrow()`,
    `CurrentUnixTimestamp()`, or `$NAME` for the value of another variable; one that has none is left out."""


class Asked(BaseModel):
    """What a run was asked for with, as its metadata keep it; `values` are all variables that have values."""

    cluster_id: int = 0
    package_id: int
    variables: dict[str, Value] = {}
    dynamic_variables: dict[str, str] = {}
    values: dict[str, Value] = {}

    @classmethod
    def of(cls, run: Run, job: Job | None) -> Asked:
        """Return what a run was asked for with; for one that was asked for otherwise, what would have done."""
        try:
            return cls.model_validate_json(run.options.metadata.get(TAG, ""))
        except ValidationError:
            given = run.options.variables.items()
            scalars = {name: value for name, value in given if isinstance(value, str | int | float)}
            return cls(package_id=package_of(run.job_id, job), variables=scalars, values=scalars)


@dataclass(frozen=True, slots=True)
class Urls:
    """Where things are.

    Args:
        server: this server, with a slash at its end.
        api: what stands before `/jobs`.
    """

    server: str
    api: str


def status_of(run: Run) -> IntegrateIoStatus:
    """Return what Integrate.io calls the status of a run."""
    return _STATUSES[run.status]


def updated_at(run: Run) -> datetime:
    """Return when a run was last heard of."""
    return run.finished_at or run.heartbeat_at or run.started_at or run.created_at


def package_of(job_id: int, job: Job | None) -> int:
    """Return the number of the package that a job is: what its tag says, else its own."""
    tag = "" if job is None else job.definition.tags.get(TAG, "")
    return int(tag) if tag.isascii() and tag.isdecimal() else job_id


class Component(Shown):
    """What an output is made by."""

    name: str
    type: str
    fields: list[str]


class JobOutput(Shown):
    """What a job did to its knowledge base."""

    id: int
    name: str
    """The name of the knowledge base."""
    records_count: int
    """How many rows were written to it."""
    created_at: Moment
    updated_at: Moment
    url: str
    component: Component


class JobCreator(Shown):
    """What asked for a job."""

    type: str
    """schedule, manual, api or recovery."""
    display_name: str
    """The name of the token; empty for nobody in particular."""


class Resource(Shown):
    """A package or a cluster."""

    id: int
    name: str
    url: str


class IntegrateIoJob(Shown):
    """A run, as Integrate.io tells of a job."""

    id: int
    status: IntegrateIoStatus
    owner_id: int = 0
    """Always 0: tokens have names, and belong to no user."""
    progress: float
    outputs_count: int
    outputs: list[JobOutput]
    variables: dict[str, Value]
    dynamic_variables: dict[str, str]
    """As they were sent."""
    started_at: Moment | None
    created_at: Moment
    failed_at: Moment | None
    completed_at: Moment | None
    updated_at: Moment
    cluster_id: int
    package_id: int
    errors: str
    runtime_in_seconds: int
    url: str
    html_url: str
    """The same as `url`."""
    log_url: str
    creator: JobCreator
    package: Resource
    cluster: Resource

    @classmethod
    def of(cls, run: Run, job: Job | None, definition: JobDefinition, urls: Urls, now: datetime) -> Self:
        """Show a run.

        Args:
            run: the run.
            job: its job; None when it was deleted.
            definition: what the run ran.
            urls: where things are.
            now: the moment to judge by how long it has been going on.
        """
        asked = Asked.of(run, job)
        ended, begun = run.finished_at, run.started_at
        url = f"{urls.api}/jobs/{run.number}"
        output = JobOutput(
            id=run.number,
            name=definition.kb_name,
            records_count=run.counts.embedded + run.counts.recalled + run.counts.metadata_updated,
            created_at=begun or run.created_at,
            updated_at=updated_at(run),
            url=f"{urls.server}v1/runs/{run.id}/outputs",
            component=Component(
                name=definition.kb_name,
                type="knowledge_base",
                fields=[*definition.content_columns, *definition.metadata_columns],
            ),
        )
        return cls(
            id=run.number,
            status=status_of(run),
            progress=1 if run.status in SUCCESSFUL else run.progress or 0,
            outputs_count=1,
            outputs=[output],
            variables=asked.variables,
            dynamic_variables=asked.dynamic_variables,
            started_at=begun,
            created_at=run.created_at,
            failed_at=ended if run.status in FAILED else None,
            completed_at=ended,
            updated_at=updated_at(run),
            cluster_id=asked.cluster_id,
            package_id=asked.package_id,
            errors=safe(run.error) or "",
            runtime_in_seconds=0 if begun is None else int(((ended or now) - begun).total_seconds()),
            url=url,
            html_url=url,
            log_url=f"{url}/log",
            creator=JobCreator(type=run.trigger, display_name=run.created_by or ""),
            package=Resource(id=asked.package_id, name=run.job_name, url=f"{urls.server}v1/jobs/job_{run.job_id}"),
            cluster=Resource(id=asked.cluster_id, name="syncd", url=urls.server),
        )


class JobLog(Shown):
    """What was logged during a job."""

    body: str
    url: str


class UsedVariables(Shown):
    """The variables of a job, dynamic ones with the values that were worked out."""

    variables: dict[str, Value]
    url: str


class Limits(Shown):
    """How many requests may be made in an hour, and how many of them are left."""

    limit: int
    remaining: int


class RateLimitStatus(Shown):
    """What a caller has left."""

    limits: Limits


class IntegrateIoError(Shown):
    """Why a request was not done."""

    message: str
