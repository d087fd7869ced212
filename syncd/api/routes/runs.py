"""Runs: what waits, what goes on, and what has been."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from syncd.api.access import caller_with, jobs_within, reach_job, require_job
from syncd.api.names import run_number
from syncd.api.pages import LineCursor, Listed, Paging, RunCursor, cursor, listed
from syncd.api.run_views import LogLine, Output, Outputs, RunView
from syncd.api.schemas import Problem
from syncd.api.services import Services
from syncd.errors import NotFound
from syncd.model.access import Caller, Scope
from syncd.model.fields import Moment
from syncd.model.run import Run, RunStatus, Trigger
from syncd.telemetry import hide_passwords

EVENT_SECONDS = 0.5
ALIVE_SECONDS = 15.0

Reader = Annotated[Caller, Depends(caller_with(Scope.RUNS_READ))]
Writer = Annotated[Caller, Depends(caller_with(Scope.RUNS_WRITE))]


class RunsQuery(Paging):
    """Which runs to list."""

    job: str | None = None
    """Only runs of this job, by its id or its name."""
    status: RunStatus | None = None
    """Only runs of this status."""
    trigger: Trigger | None = None
    """Only runs that were started like this."""
    tag: Annotated[str | None, Query(pattern=r"^[^=]+=[^=]+$")] = None
    """Only runs with this tag, written `name=value`."""
    since: Moment | None = None
    """Only runs asked for at this moment or later."""
    until: Moment | None = None
    """Only runs asked for before this moment."""
    cursor: RunCursor | None = None
    """The `next_cursor` of the page before."""


class LogQuery(Paging):
    """Which lines to give."""

    cursor: LineCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes of runs."""
    routes = APIRouter(prefix="/v1/runs", tags=["runs"])
    state = services.state

    def find(caller: Caller, reference: str) -> Run:
        run = state.runs.get(run_number(reference))
        try:
            require_job(caller, state.jobs.by_id(run.job_id))
        except NotFound:
            # The job was deleted; its history stays for those who see all jobs.
            if caller.limited:
                raise
        return run

    @routes.get("", responses={404: {"model": Problem, "description": "There is no such job"}})
    def list_runs(
        caller: Reader, query: Annotated[RunsQuery, Query()], request: Request, response: Response
    ) -> Listed[RunView]:
        """List the runs, newest first."""
        name, _, value = (query.tag or "").partition("=")
        of_job = None if query.job is None else reach_job(state, caller, query.job).id
        found = state.runs.list(
            job_id=of_job,
            status=query.status,
            trigger=query.trigger,
            limit=query.limit + 1,
            before=query.cursor,
            jobs=jobs_within(state, caller),
            since=query.since,
            until=query.until,
            tag=(name, value) if query.tag else None,
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
        return RunView.of(find(caller, run))

    @routes.post("/{run}/cancel")
    def cancel_run(caller: Writer, run: str) -> RunView:
        """Cancel a run: at once before it has begun, at its next batch boundary while it goes on."""
        return RunView.of(state.runs.request_cancel(find(caller, run).number, services.clock()))

    @routes.delete("/{run}")
    def delete_run(caller: Writer, run: str) -> RunView:
        """Cancel a run, as `cancel` does; the history keeps it."""
        return RunView.of(state.runs.request_cancel(find(caller, run).number, services.clock()))

    @routes.get("/{run}/outputs")
    def list_outputs(caller: Reader, run: str) -> Outputs:
        """Show what a run did to its knowledge base."""
        found = find(caller, run)
        definition = state.jobs.version(found.job_id, found.job_version).definition
        return Outputs(data=[Output(kb_name=definition.kb_name, **found.counts.as_dict())])

    @routes.get("/{run}/log")
    def list_log(
        caller: Reader, run: str, query: Annotated[LogQuery, Query()], request: Request, response: Response
    ) -> Listed[LogLine]:
        """List what was logged during a run, in order; the first 2,000 lines are kept."""
        found = state.run_lines.list(find(caller, run).number, query.cursor or 0, query.limit + 1)
        return listed(
            found,
            query.limit,
            mark=lambda line: cursor("lines", line.line),
            show=lambda line: LogLine(
                line=line.line, at=line.at, level=line.level, message=hide_passwords(line.message)
            ),
            request=request,
            answer=response,
        )

    @routes.get(
        "/{run}/events",
        response_class=StreamingResponse,
        responses={200: {"description": "Events until the run ends.", "content": {"text/event-stream": {}}}},
    )
    def watch_run(caller: Reader, run: str) -> StreamingResponse:
        """Tell of a run as it goes on, as server-sent events: `run` when it changes, `end` when it ends."""
        found = find(caller, run)
        return StreamingResponse(_events(services, found), media_type="text/event-stream")

    return routes


async def _events(services: Services, run: Run) -> AsyncIterator[str]:
    told: str | None = None
    silent = 0.0
    while True:
        view = RunView.of(run)
        text = view.model_dump_json(exclude={"heartbeat_at"})
        if text != told:
            told, silent = text, 0.0
            yield f"event: run\ndata: {text}\n\n"
        if not run.status.live:
            yield f"event: end\ndata: {json.dumps({'id': run.id, 'status': run.status})}\n\n"
            return
        if silent >= ALIVE_SECONDS:
            silent = 0.0
            yield ": still going on\n\n"
        await asyncio.sleep(EVENT_SECONDS)
        silent += EVENT_SECONDS
        run = await run_in_threadpool(services.state.runs.get, run.number)
