"""Jobs: what is kept in step, and how it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from syncd.api.access import caller_with, reach_job, reaches
from syncd.api.pages import JobCursor, Listed, Paging, cursor, listed
from syncd.api.schemas import JobView
from syncd.api.services import Services
from syncd.model.access import Caller, Scope
from syncd.model.job import Job, JobStatus
from syncd.model.run import RunStatus
from syncd.state import State

Reader = Annotated[Caller, Depends(caller_with(Scope.JOBS_READ))]

_GOING = (RunStatus.RUNNING, RunStatus.CANCELING)


class JobsQuery(Paging):
    """Which jobs to list."""

    status: JobStatus | None = None
    """Only jobs of this status."""
    name: str | None = None
    """Only the job of this name."""
    cursor: JobCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes of jobs."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    state = services.state

    @routes.get("")
    def list_jobs(
        caller: Reader, query: Annotated[JobsQuery, Query()], request: Request, response: Response
    ) -> Listed[JobView]:
        """List the jobs, oldest first, those that have ended too."""
        now = services.clock()
        jobs = state.jobs.list(include_ended=True)
        running = _running(state, len(jobs))
        found = [job for job in jobs if reaches(caller, job) and _wanted(job, query, now, running)]
        found.sort(key=lambda job: job.id)
        return listed(
            found[: query.limit + 1],
            query.limit,
            mark=lambda job: cursor("jobs", job.id),
            show=lambda job: _view(state, job, now, running=job.id in running),
            request=request,
            answer=response,
        )

    @routes.get("/{job}")
    def get_job(caller: Reader, job: str) -> JobView:
        """Show one job, by its id (`job_12`) or its name."""
        found = reach_job(state, caller, job)
        live = state.runs.live(found.id)
        return _view(state, found, services.clock(), running=live is not None and live.status in _GOING)

    return routes


def _wanted(job: Job, query: JobsQuery, now: datetime, running: frozenset[int]) -> bool:
    return (
        (query.cursor is None or job.id > query.cursor)
        and (query.name is None or job.name == query.name)
        and (query.status is None or job.status(now, running=job.id in running) is query.status)
    )


def _running(state: State, jobs: int) -> frozenset[int]:
    # A job has at most one run that is going on.
    return frozenset(run.job_id for status in _GOING for run in state.runs.list(status=status, limit=jobs))


def _view(state: State, job: Job, now: datetime, *, running: bool) -> JobView:
    return JobView.of(
        job,
        now=now,
        running=running,
        last_run=state.runs.last_finished(job.id),
        checkpoint=state.checkpoints.get(job.id),
        dead_letters=state.dead_letters.count(job.id),
    )
