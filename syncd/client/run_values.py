"""Runs as a daemon takes and tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from syncd.client.values import Counted, Scalar, Time


class RunOptions(TypedDict, total=False):
    """How a run that is asked for differs from the job's habit."""

    variables: Mapping[str, Scalar | Sequence[str | int | float]]
    dynamic_variables: Mapping[str, str]
    full_refresh: bool
    limit: int | None
    dry_run: bool
    repair: bool
    sweep: bool
    scheduled_at: Time | None
    dedup_window_secs: int | None
    run_ttl_secs: int | None
    tags: Mapping[str, str]
    metadata: Mapping[str, str]


class RunRequest(RunOptions):
    """One of several runs that are asked for together."""

    idempotency_key: NotRequired[str]


class ExecutionTrace(TypedDict):
    """Where a run's time went, in milliseconds."""

    queue_wait_ms: int | None
    total_ms: int | None


class Run(Counted):
    """One execution of a job."""

    id: str
    job_id: str
    job_name: str
    job_version: int
    job_version_id: str
    status: str
    reason: str | None
    trigger: str
    triggered_by: str
    created_by: str | None
    attempt: int
    next_retry_at: str | None
    created_at: str
    scheduled_at: str
    started_at: str | None
    finished_at: str | None
    heartbeat_at: NotRequired[str | None]
    """Not told by `events`."""
    expires_at: str | None
    seconds: float | None
    progress: float | None
    stages: dict[str, float]
    execution_trace: ExecutionTrace
    watermark: str | None
    full_refresh: bool
    limit: int | None
    dry_run: bool
    repair: bool
    sweep: bool
    replay: bool
    variables: dict[str, Scalar | list[str | int | float]]
    tags: dict[str, str]
    metadata: dict[str, str]
    error: str | None


class TriggeredRun(Run):
    """The run that answers a trigger."""

    idempotency_hit: bool


class ApprovedSweep(TypedDict):
    """How many documents a sweep may remove now, and the run that does."""

    documents: int
    run: Run


class BulkResult(TypedDict):
    """One of the runs that were asked for together."""

    id: str
    status: str
    idempotency_hit: bool


class BulkTriggered(TypedDict):
    """The runs that answer a bulk trigger, in order."""

    results: list[BulkResult]
    total: int
    created: int


class Output(Counted):
    """What a run did to a knowledge base."""

    kb_name: str


class LogLine(TypedDict):
    """A line of a run's log; `line` is its number, from 1."""

    line: int
    at: str
    level: str
    message: str
