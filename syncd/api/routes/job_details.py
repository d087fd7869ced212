"""What belongs to a job: its versions, its health, how far it has come."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from syncd.api.access import reach_job
from syncd.api.job_views import (
    HealthView,
    VersionView,
    WatermarkReset,
    WatermarkView,
)
from syncd.api.names import version_number
from syncd.api.pages import Listed, Paging, VersionCursor, cursor, listed
from syncd.api.routes.jobs import Reader, Writer
from syncd.api.services import Services
from syncd.errors import Conflict
from syncd.model.access import Caller
from syncd.model.health import health_of
from syncd.model.job import Job

_WINDOWS = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


class VersionsQuery(Paging):
    """Which versions to list."""

    cursor: VersionCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes of what belongs to a job."""
    routes = APIRouter(prefix="/v1/jobs/{job}", tags=["jobs"])
    state = services.state

    def find(caller: Caller, reference: str) -> Job:
        return reach_job(state, caller, reference)

    @routes.get("/versions")
    def list_versions(
        caller: Reader, job: str, query: Annotated[VersionsQuery, Query()], request: Request, response: Response
    ) -> Listed[VersionView]:
        """List every version of a job's definition, newest first."""
        found = find(caller, job)
        return listed(
            state.jobs.versions(found.id, query.limit + 1, query.cursor),
            query.limit,
            mark=lambda version: cursor("versions", version.version),
            show=lambda version: VersionView.of(found, version),
            request=request,
            answer=response,
        )

    @routes.get("/versions/{version}")
    def get_version(caller: Reader, job: str, version: str) -> VersionView:
        """Show one version, by its number or its id (`job_12.3`)."""
        found = find(caller, job)
        return VersionView.of(found, state.jobs.version(found.id, version_number(found, version)))

    @routes.get("/health")
    def get_health(
        caller: Reader,
        job: str,
        window: Annotated[Literal["1h", "1d", "7d", "30d"], Query(description="How far to look back.")] = "7d",
    ) -> HealthView:
        """Sum up how a job has been doing, and how far it is behind its table now."""
        found = find(caller, job)
        now = services.clock()
        health = health_of(state.runs.ended_in(found.id, now - _WINDOWS[window]))
        last = state.runs.last_successful(found.id)
        ended = None if last is None else last.finished_at
        return HealthView(
            **asdict(health),
            rows_behind=services.rows_behind(found),
            seconds_behind=None if ended is None else max(0.0, (now - ended).total_seconds()),
        )

    @routes.get("/watermark")
    def get_watermark(caller: Reader, job: str) -> WatermarkView:
        """Show how far a job has read its table."""
        checkpoint = state.checkpoints.get(find(caller, job).id)
        if checkpoint is None:
            return WatermarkView(value=None, kb_uuid=None, read_at=None)
        return WatermarkView(
            value=None if checkpoint.watermark.value is None else str(checkpoint.watermark),
            kb_uuid=checkpoint.identity.uuid,
            read_at=checkpoint.read_at,
        )

    @routes.put("/watermark")
    def reset_watermark(caller: Writer, job: str, wanted: WatermarkReset) -> WatermarkView:
        """Let the next run compare the whole table; only what differs is embedded."""
        found = find(caller, job)
        if any(run.started_at is not None for run in state.runs.unfinished(found.id)):
            raise Conflict(f"a run of {found.name} is going on", "wait for it, or cancel it")
        checkpoint = state.checkpoints.get(found.id)
        if checkpoint is not None:
            state.checkpoints.reset(found.id, checkpoint.meaning, checkpoint.identity, wanted.reason, services.clock())
        return get_watermark(caller, job)

    return routes
