"""The job queue as Keboola's callers know it: a run is a job, a job is a configuration of a component."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from starlette.responses import Response

from syncd.api.access import authenticate, reaches, require_scopes
from syncd.api.dialects.keboola_views import (
    COMPONENT,
    TAG,
    Asked,
    JobSearch,
    KeboolaError,
    KeboolaJob,
    KeboolaJobRequest,
    KeboolaMode,
)
from syncd.api.dialects.lookup import newest_first, numbered, reachable, run_of, tagged
from syncd.api.dialects.refusals import Refusal, routes_that_refuse
from syncd.api.schemas import Problem
from syncd.api.services import Services
from syncd.errors import NotFound
from syncd.model.access import Caller, Scope
from syncd.model.job import Job
from syncd.model.run import Run, RunOptions, Trigger
from syncd.state import State
from syncd.triggers import Wish

_TOKEN = APIKeyHeader(
    name="X-StorageApi-Token",
    scheme_name="keboola",
    description="A token from `syncd tokens create`, as Keboola's callers send theirs.",
    auto_error=False,
)
# Keboola's own answers know no other status for a request that cannot be done.
_BAD_REQUEST = {409: 400, 422: 400}
_LIST = re.compile(rb"(?<=[A-Za-z])(?:\[|%5[Bb])\d*(?:\]|%5[Dd])(?==)")

_RESPONSES: Mapping[int | str, dict[str, Any]] = {
    400: {"model": KeboolaError, "description": "The request cannot be done as it is"},
    401: {
        "model": KeboolaError,
        "description": "`Invalid access token`: a token is needed, and there is no valid one with the request",
        "headers": {"WWW-Authenticate": {"description": "`ApiKey`", "schema": {"type": "string"}}},
    },
    403: {
        "model": KeboolaError | Problem,
        "description": "The token does not go that far, or the request is another site's",
    },
    404: {"model": KeboolaError, "description": "There is no such component, configuration or job"},
    "4XX": {"model": KeboolaError | Problem, "description": "The request cannot be done"},
    "5XX": {"model": KeboolaError | Problem, "description": "syncd cannot do it now"},
}


def _refused(request: Request, refusal: Refusal) -> Response:
    status = _BAD_REQUEST.get(refusal.status, refusal.status)
    message, headers = refusal.message, dict(refusal.headers)
    if status == 401:
        message, headers = "Invalid access token", {"WWW-Authenticate": 'ApiKey header="X-StorageApi-Token"'}
    error = KeboolaError(error=message, code=status, exception_id=request.state.request_id)
    return JSONResponse(error.model_dump(by_alias=True), status, headers)


def _plain_lists(request: Request) -> None:
    # Keboola's own clients write lists as status[]=error or status[0]=error.
    request.scope["query_string"] = _LIST.sub(b"", request.scope["query_string"])


def _caller(*scopes: Scope) -> Any:
    def find(request: Request, secret: str | None = Security(_TOKEN, scopes=list(scopes))) -> Caller:
        return require_scopes(authenticate(request.app.state.services, secret), *scopes)

    return Depends(find)


Pusher = Annotated[Caller, _caller(Scope.JOBS_TRIGGER)]
Reader = Annotated[Caller, _caller(Scope.RUNS_READ)]
Writer = Annotated[Caller, _caller(Scope.RUNS_WRITE)]


def router(services: Services) -> APIRouter:
    """Return the routes of Keboola's job queue."""
    routes = APIRouter(
        tags=["keboola"], route_class=routes_that_refuse(_refused, _plain_lists), responses=dict(_RESPONSES)
    )
    state = services.state

    def show(run: Run, request: Request) -> KeboolaJob:
        try:
            job = state.jobs.by_id(run.job_id)
        except NotFound:
            job = None
        return KeboolaJob.of(run, job, str(request.base_url), services.clock())

    @routes.post("/jobs", status_code=201)
    def create_keboola_job(caller: Pusher, wanted: KeboolaJobRequest, request: Request) -> KeboolaJob:
        """Run a configuration of a component, as Keboola's Create Job does."""
        job = _configuration(state, caller, wanted.component, str(wanted.config))
        [(run, _)] = services.triggers.ask_all(job, [Wish(_options(job, wanted), Trigger.API, by=caller.name)])
        services.wake()
        return show(run, request)

    @routes.get("/jobs/{job}")
    def get_keboola_job(caller: Reader, job: str, request: Request) -> KeboolaJob:
        """Show one job, by its id."""
        return show(run_of(state, caller, job), request)

    @routes.post("/jobs/{job}/kill", status_code=202)
    def kill_keboola_job(caller: Writer, job: str, request: Request) -> KeboolaJob:
        """Stop a job: at once before it has begun, at its next batch boundary while it goes on."""
        number = run_of(state, caller, job).number
        return show(state.runs.request_cancel(number, services.clock()), request)

    @routes.get("/search/jobs")
    def search_keboola_jobs(caller: Reader, query: Annotated[JobSearch, Query()], request: Request) -> list[KeboolaJob]:
        """List the jobs that are asked for."""
        jobs = {job.id: job for job in state.jobs.list(include_ended=True)}
        now, base = services.clock(), str(request.base_url)
        # The core leaves the last moment itself out.
        until = None if query.created_time_to is None else query.created_time_to + timedelta(microseconds=1)
        found: Iterator[KeboolaJob] = (
            job
            for run in newest_first(state, caller, query.created_time_from, until)
            if query.takes(job := KeboolaJob.of(run, jobs.get(run.job_id), base, now))
        )
        if query.sort_order == "asc":
            found = iter(list(found)[::-1])
        return list(islice(found, query.offset, query.offset + query.limit))

    return routes


def _configuration(state: State, caller: Caller, component: str, config: str) -> Job:
    """Return the job that a component and a configuration mean, if the caller has access to it.

    Raises:
        NotFound: there is no such component or configuration, in the words of Keboola's documentation.
    """
    job = tagged(state, caller, TAG, f"{component}/{config}")
    if job is not None:
        return job
    if component == COMPONENT:
        job = numbered(state, caller, config) or reachable(state, caller, config)
        if job is not None:
            return job
    elif not any(_component(job) == component for job in state.jobs.list() if reaches(caller, job)):
        raise NotFound(
            f"Component not found: {component!r}",
            f"use {COMPONENT}, or tag a job {TAG}: {component}/{config}",
        )
    raise NotFound(
        f"Configuration not found: {config[:128]!r} of the component {component!r}",
        "GET /v1/jobs lists the jobs; the token has to reach the one that is meant",
    )


def _component(job: Job) -> str:
    return job.definition.tags.get(TAG, "").rpartition("/")[0]


def _options(job: Job, wanted: KeboolaJobRequest) -> RunOptions:
    branch = None if wanted.branch_id is None else str(wanted.branch_id)
    asked = Asked(component=wanted.component, config=str(wanted.config), tag=wanted.tag, branch_id=branch)
    values = [] if wanted.variable_values_data is None else wanted.variable_values_data.values
    return RunOptions(
        dry_run=wanted.mode is KeboolaMode.DEBUG,
        force=wanted.mode is KeboolaMode.FORCE_RUN,
        variables={variable.name: variable.value for variable in values},
        metadata={**job.definition.default_run_metadata, TAG: asked.model_dump_json()},
    )
