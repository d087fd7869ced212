"""Runs: what waits, what goes on, and what has been."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from syncd.api.access import caller_with, jobs_within, reach_job, require_job
from syncd.api.names import run_number
from syncd.api.pages import Listed, Paging, RunCursor, cursor, listed
from syncd.api.schemas import RunView
from syncd.api.services import Services
from syncd.model.access import Caller, Scope
from syncd.model.run import RunStatus, Trigger

Reader = Annotated[Caller, Depends(caller_with(Scope.RUNS_READ))]


class RunsQuery(Paging):
    """Which runs to list."""

    job: str | None = None
    """Only runs of this job, by its id or its name."""
    status: RunStatus | None = None
    """Only runs of this status."""
    trigger: Trigger | None = None
    """Only runs that were started like this."""
    cursor: RunCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes of runs."""
    routes = APIRouter(prefix="/v1/runs", tags=["runs"])
    state = services.state

    @routes.get("")
    def list_runs(
        caller: Reader, query: Annotated[RunsQuery, Query()], request: Request, response: Response
    ) -> Listed[RunView]:
        """List the runs, newest first."""
        found = state.runs.list(
            job_id=None if query.job is None else reach_job(state, caller, query.job).id,
            status=query.status,
            trigger=query.trigger,
            limit=query.limit + 1,
            before=query.cursor,
            jobs=jobs_within(state, caller),
        )
        return listed(
            found,
            query.limit,
            mark=lambda run: cursor("runs", run.number),
            show=RunView.of,
            request=request,
            answer=response,
        )

    @routes.get("/{run}")
    def get_run(caller: Reader, run: str) -> RunView:
        """Show one run, by its id (`run_7`)."""
        found = state.runs.get(run_number(run))
        require_job(caller, state.jobs.by_id(found.job_id))
        return RunView.of(found)

    return routes
