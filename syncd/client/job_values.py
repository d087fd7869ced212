"""Jobs as a daemon takes and tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from syncd.client.values import Counted, Time


class JobOptions(TypedDict, total=False):
    """What a job may say beside what it must; null stands for the default. The meanings are in docs/config.md."""

    template: str | None
    metadata_columns: Sequence[str] | None
    key_columns: Sequence[str] | None
    filters: Sequence[Mapping[str, Any]] | None
    start_time: Time | None
    end_time: Time | None
    lookback: str | int | None
    deletes: Mapping[str, str | None] | None
    initial: str | int | None
    timezone: str | None
    window_rows: int | None
    max_attempts: int | None
    max_dead_letters: int | None
    retry_strategy: str | None
    retry_initial_delay_secs: float | None
    retry_max_delay_secs: float | None
    retry_delays_secs: Sequence[float] | None
    timeout: str | None
    execution_window: Mapping[str, str] | None
    run_ttl_secs: int | None
    dedup_window_secs: int | None
    depends_on: Sequence[Mapping[str, str]] | None
    description: str | None
    tags: Mapping[str, str] | None
    default_run_metadata: Mapping[str, str] | None
    enabled: bool | None


class JobChanges(JobOptions, total=False):
    """The fields of a job that shall change."""

    source_table: str
    kb_name: str
    content_columns: Sequence[str]
    filter_column: str
    interval: str


class NewJob(JobOptions):
    """A job that shall be."""

    name: str
    source_table: str
    kb_name: str
    content_columns: Sequence[str]
    filter_column: str
    interval: str


class Definition(TypedDict):
    """A job as its author wrote it, defaults filled in."""

    source_table: str
    kb_name: str
    content_columns: list[str]
    template: str | None
    metadata_columns: list[str]
    key_columns: list[str]
    filter_column: str
    filters: list[dict[str, Any]]
    interval: str
    start_time: str | None
    end_time: str | None
    lookback: str | int | None
    deletes: dict[str, str | None]
    initial: str | int
    timezone: str
    window_rows: int
    max_attempts: int
    max_dead_letters: int
    retry_strategy: str
    retry_initial_delay_secs: float
    retry_max_delay_secs: float
    retry_delays_secs: list[float]
    timeout: str
    execution_window: dict[str, str] | None
    run_ttl_secs: int | None
    dedup_window_secs: int | None
    depends_on: list[dict[str, str]]
    description: str
    tags: dict[str, str]
    default_run_metadata: dict[str, str]
    enabled: bool


class LastRun(Counted):
    """The run of a job that ended last."""

    id: str
    status: str
    trigger: str
    started_at: str | None
    finished_at: str | None
    seconds: float | None


class Job(Definition):
    """A job and how it stands."""

    id: str
    name: str
    slug: str
    status: str
    origin: str
    defined_in: str
    version: int
    version_id: str
    timeout_secs: int
    paused: bool
    next_run: str | None
    last_run: LastRun | None
    watermark: str | None
    blocked_reason: str | None
    dead_letters: int
    created_by: str | None
    updated_by: str | None
    created_at: str
    updated_at: str


class JobVersion(Definition):
    """A job's definition as it was from a moment on."""

    id: str
    job_id: str
    version: int
    name: str
    slug: str
    timeout_secs: int
    created_by: str | None
    created_at: str


class DeadLetter(TypedDict):
    """A row that could not be synced."""

    key: str
    reason: str
    attempts: int
    first_seen: str
    last_seen: str


class JobHealth(TypedDict):
    """How a job has been doing for some time; durations are in seconds."""

    total_runs: int
    completed_runs: int
    failed_runs: int
    timed_out_runs: int
    crashed_runs: int
    canceled_runs: int
    expired_runs: int
    success_rate: float | None
    avg_duration_secs: float | None
    p95_duration_secs: float | None
    health_score: float | None
    rows_behind: int | None
    seconds_behind: float | None


class FaultDetail(TypedDict):
    """One thing that is wrong, and where."""

    field: str | None
    message: str


class Refusal(TypedDict):
    """Why something was not done."""

    code: str
    message: str
    details: list[FaultDetail]


class BatchResult(TypedDict):
    """What became of one of several jobs: `job` where it worked, `error` where it did not."""

    name: str
    job: Job | None
    error: Refusal | None


class Dependency(TypedDict):
    """A job that has to run before another."""

    id: str
    job_id: str
    depends_on_job_id: str
    depends_on: str
    condition: str


class Watermark(TypedDict):
    """How far a job has read its table."""

    value: str | None
    kb_uuid: str | None
    read_at: str | None
