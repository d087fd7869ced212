"""Keboola's jobs as JSON: what is asked for, and what is told of a run."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from syncd.api.schemas import Moment, safe
from syncd.model.fields import Moment as WrittenMoment
from syncd.model.fields import Name
from syncd.model.job import FilterValue, Job
from syncd.model.run import FAILED, SUCCESSFUL, Run, RunStatus

COMPONENT = "syncd.table-to-kb"
"""The component whose configurations are the jobs."""
TAG = "keboola"
"""The tag of a job, and the metadata of a run, that hold what Keboola's callers say."""

Text = Annotated[str, Field(min_length=1, max_length=255)]


class KeboolaStatus(StrEnum):
    """Where a job is in its life."""

    CREATED = "created"
    WAITING = "waiting"
    PROCESSING = "processing"
    TERMINATING = "terminating"
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"


class KeboolaMode(StrEnum):
    """How a job is run."""

    RUN = "run"
    FORCE_RUN = "forceRun"
    DEBUG = "debug"


_STATUSES = {
    RunStatus.DELAYED: KeboolaStatus.CREATED,
    RunStatus.QUEUED: KeboolaStatus.CREATED,
    RunStatus.WAITING: KeboolaStatus.WAITING,
    RunStatus.RUNNING: KeboolaStatus.PROCESSING,
    RunStatus.CANCELING: KeboolaStatus.TERMINATING,
    RunStatus.COMPLETED: KeboolaStatus.SUCCESS,
    RunStatus.COMPLETED_WITH_WARNINGS: KeboolaStatus.WARNING,
    RunStatus.EXPIRED: KeboolaStatus.CANCELLED,
    RunStatus.SKIPPED: KeboolaStatus.CANCELLED,
    **dict.fromkeys(FAILED, KeboolaStatus.ERROR),
}


def status_of(run: Run) -> KeboolaStatus:
    """Return what Keboola calls the status of a run."""
    if run.status is not RunStatus.CANCELED:
        return _STATUSES[run.status]
    counts = run.counts
    written = counts.embedded + counts.recalled + counts.metadata_updated + counts.deleted
    return KeboolaStatus.TERMINATED if written and not run.options.dry_run else KeboolaStatus.CANCELLED


class _Keboola(BaseModel):
    model_config = ConfigDict(
        frozen=True, use_attribute_docstrings=True, alias_generator=to_camel, validate_by_name=True, extra="ignore"
    )


class KeboolaVariable(_Keboola):
    """A variable and its value."""

    name: Name
    value: FilterValue

    @field_validator("value")
    @classmethod
    def _can_be_written(cls, value: FilterValue) -> FilterValue:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, float) and not math.isfinite(one):
                raise ValueError("must be a finite number")
        return value


class KeboolaVariables(_Keboola):
    """Values for the variables that the job's filters name."""

    values: Annotated[list[KeboolaVariable], Field(max_length=32)] = []


class KeboolaJobRequest(_Keboola):
    """A run that is asked for; other fields of Keboola's are accepted, and change nothing."""

    mode: KeboolaMode
    """run; forceRun runs a disabled or paused job too, and waits for nothing; debug does all but write."""
    component: Text
    """`syncd.table-to-kb`, or what stands before the slash in a job's tag `keboola`."""
    config: Annotated[str | int, Field(union_mode="left_to_right")]
    """The job's number or name, or what stands after the slash in its tag."""
    tag: Text | None = None
    """Is told again, and changes nothing."""
    branch_id: str | int | None = None
    """Is told again, and changes nothing."""
    variable_values_data: KeboolaVariables | None = None
    """Values for the variables that the job's filters name."""
    config_data: Annotated[dict[str, Any], Field(max_length=0)] | Annotated[list[Any], Field(max_length=0)] | None = (
        None
    )
    """Only empty: what a job does is written in the job."""
    config_row_ids: Annotated[list[Any], Field(max_length=0)] | None = None
    """Only empty: a job has no rows of its own."""
    variable_values_id: Annotated[str, Field(max_length=0)] | None = None
    """Only empty: give the values themselves, as variableValuesData."""


class Asked(_Keboola):
    """What a run was asked for with, as its metadata keep it."""

    component: str
    config: str
    tag: str | None = None
    branch_id: str | None = None

    @classmethod
    def of(cls, run: Run, job: Job | None) -> Asked:
        """Return what a run was asked for with; for one that was asked for otherwise, what would have done."""
        try:
            return cls.model_validate_json(run.options.metadata.get(TAG, ""))
        except ValidationError:
            tag = "" if job is None else job.definition.tags.get(TAG, "")
            component, slash, config = tag.rpartition("/")
            return (
                cls(component=component, config=config) if slash else cls(component=COMPONENT, config=str(run.job_id))
            )


class KeboolaProject(_Keboola):
    """Whose job it is."""

    id: str
    name: str


class KeboolaToken(_Keboola):
    """Who asked for it, by the token's name; empty for nobody in particular."""

    id: str
    description: str


class KeboolaResult(_Keboola):
    """What came of it."""

    message: str
    config_version: str
    """The version of the job that was run."""
    records_read: int
    embedded: int
    metadata_updated: int
    unchanged: int
    deleted: int
    dead_lettered: int


class KeboolaJob(_Keboola):
    """A run, as Keboola tells of a job. What syncd has no word for is null or empty."""

    id: str
    run_id: str
    parent_run_id: str = ""
    project: KeboolaProject = KeboolaProject(id="syncd", name="syncd")
    token: KeboolaToken
    status: KeboolaStatus
    desired_status: str
    """processing, or terminating once somebody wanted it to stop."""
    mode: KeboolaMode
    component: str
    config: str
    config_data: dict[str, Any] = {}
    config_row_ids: list[str] | None = None
    tag: str | None
    created_time: Moment
    start_time: Moment | None
    end_time: Moment | None
    duration_seconds: int
    result: KeboolaResult
    usage_data: dict[str, Any] = {}
    is_finished: bool
    is_success: bool | None
    """Null until it is finished; a warning is a success."""
    url: str
    branch_id: str | None
    variable_values_id: str | None = None
    variable_values_data: KeboolaVariables
    backend: dict[str, Any] = {}
    executor: str | None = None
    metrics: dict[str, Any] = {}
    behavior: dict[str, Any] = {"onError": None}
    parallelism: str | None = None
    type: str = "standard"
    orchestration_job_id: str | None = None
    orchestration_task_id: str | None = None
    only_orchestration_task_ids: list[str] | None = None
    previous_job_id: str | None = None

    @classmethod
    def of(cls, run: Run, job: Job | None, base_url: str, now: datetime) -> Self:
        """Show a run.

        Args:
            run: the run.
            job: its job; None when it was deleted.
            base_url: of this server, with a slash at its end.
            now: the moment to judge by how long it has been going on.
        """
        asked = Asked.of(run, job)
        status = status_of(run)
        by = run.created_by or ""
        begun = run.started_at
        counts = run.counts.as_dict()
        variables = [KeboolaVariable(name=name, value=value) for name, value in run.options.variables.items()]
        return cls(
            id=str(run.number),
            run_id=str(run.number),
            token=KeboolaToken(id=by, description=by),
            status=status,
            desired_status="terminating" if run.status in {RunStatus.CANCELING, RunStatus.CANCELED} else "processing",
            mode=_mode(run),
            component=asked.component,
            config=asked.config,
            tag=asked.tag,
            created_time=run.created_at,
            start_time=begun,
            end_time=run.finished_at,
            duration_seconds=0 if begun is None else int(((run.finished_at or now) - begun).total_seconds()),
            result=KeboolaResult(
                message=safe(run.error) or _message(run, counts),
                config_version=str(run.job_version),
                **{name: counts[name] for name in KeboolaResult.model_fields if name in counts},
            ),
            is_finished=not run.status.live,
            is_success=None if run.status.live else run.status in SUCCESSFUL,
            url=f"{base_url}jobs/{run.number}",
            branch_id=asked.branch_id,
            variable_values_data=KeboolaVariables(values=variables),
        )


class JobSearch(BaseModel):
    """Which jobs to list; a parameter may be repeated, as `status=error&status=warning` or `status[]=error`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, alias_generator=to_camel)

    id: list[str] = []
    run_id: list[str] = []
    component: list[str] = []
    config: list[str] = []
    mode: list[KeboolaMode] = []
    status: list[KeboolaStatus] = []
    created_time_from: WrittenMoment | None = None
    created_time_to: WrittenMoment | None = None
    start_time_from: WrittenMoment | None = None
    start_time_to: WrittenMoment | None = None
    end_time_from: WrittenMoment | None = None
    end_time_to: WrittenMoment | None = None
    sort_order: Annotated[str, Field(pattern="^(asc|desc)$")] = "desc"
    """By the time of asking: desc, newest first, or asc."""
    offset: Annotated[int, Field(ge=0, le=2**31)] = 0
    """How many to pass over."""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    """How many at most."""

    def takes(self, job: KeboolaJob) -> bool:
        """Tell whether a job is one of those that are looked for."""
        return all(
            (
                not self.id or job.id in self.id,
                not self.run_id or job.run_id in self.run_id,
                not self.component or job.component in self.component,
                not self.config or job.config in self.config,
                not self.mode or job.mode in self.mode,
                not self.status or job.status in self.status,
                _between(job.start_time, self.start_time_from, self.start_time_to),
                _between(job.end_time, self.end_time_from, self.end_time_to),
            )
        )


class KeboolaError(_Keboola):
    """Why a request was not done."""

    error: str
    code: int
    """The HTTP status."""
    status: str = "error"
    exception_id: str
    """Also in the header X-Request-Id and in the log."""


def _mode(run: Run) -> KeboolaMode:
    if run.options.dry_run:
        return KeboolaMode.DEBUG
    return KeboolaMode.FORCE_RUN if run.options.force else KeboolaMode.RUN


def _message(run: Run, counts: dict[str, int]) -> str:
    if run.status in SUCCESSFUL:
        return f"{counts['records_read']} rows read, {counts['embedded']} embedded, {counts['deleted']} deleted."
    return f"Waits {run.reason}." if run.reason is not None else ""


def _between(moment: datetime | None, first: datetime | None, last: datetime | None) -> bool:
    if moment is None:
        return first is None and last is None
    return (first is None or first <= moment) and (last is None or moment <= last)
