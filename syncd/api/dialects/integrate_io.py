"""Jobs and schedules as Integrate.io's callers know them: a run is a job, a job is a package and its schedule."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from syncd.api.access import jobs_within
from syncd.api.dialects.integrate_io_door import Door
from syncd.api.dialects.integrate_io_lists import IntegrateIoSchedule, JobsPage, SchedulesPage, linked, part
from syncd.api.dialects.integrate_io_views import (
    TAG,
    Asked,
    IntegrateIoJob,
    IntegrateIoStatus,
    JobCreate,
    JobLog,
    Limits,
    RateLimitStatus,
    Urls,
    UsedVariables,
    updated_at,
)
from syncd.api.dialects.lookup import newest_first, numbered, run_of, tagged
from syncd.api.services import Services
from syncd.errors import Fault, Invalid, NotFound
from syncd.model.access import Caller, Scope
from syncd.model.dynamic import FUNCTIONS, evaluated
from syncd.model.job import Job
from syncd.model.run import Run, RunOptions, Trigger
from syncd.state import State
from syncd.telemetry import hide_passwords
from syncd.triggers import Wish

REQUESTS_PER_HOUR = 5000


def router(services: Services, requests_per_hour: int = REQUESTS_PER_HOUR) -> APIRouter:
    """Return the routes of Integrate.io's API.

    Args:
        services: what the routes stand on.
        requests_per_hour: how many requests each token may make.
    """
    door = Door(services, requests_per_hour)
    routes = door.routes()
    _offer_changes(routes, services, door)
    _offer_jobs(routes, services, door)
    _offer_the_rest(routes, services, door)
    return routes


def _offer_changes(routes: APIRouter, services: Services, door: Door) -> None:
    state = services.state
    pusher = door.caller_with(Scope.JOBS_TRIGGER)
    writer = door.caller_with(Scope.RUNS_WRITE)

    @routes.post("/jobs", status_code=201)
    def run_package(account_id: str, wanted: JobCreate, request: Request, caller: Caller = pusher) -> IntegrateIoJob:
        """Run a package, as Integrate.io's Run Job does."""
        number = str(wanted.package_id)
        job = tagged(state, caller, TAG, number) or numbered(state, caller, number)
        if job is None:
            raise Invalid(
                [Fault("package_id", f"there is no package {number}; a job's number is one, or its tag {TAG}")]
            )
        wish = Wish(_options(job, wanted, services.clock()), Trigger.API, by=caller.name)
        [(run, _)] = services.triggers.ask_all(job, [wish])
        services.wake()
        return _show(services, [run], _urls(request, account_id))[0]

    @routes.delete("/jobs/{job}")
    def stop_package_job(account_id: str, job: str, request: Request, caller: Caller = writer) -> IntegrateIoJob:
        """Stop a job: at once before it has begun, at its next batch boundary while it goes on."""
        run = state.runs.request_cancel(_find(state, caller, job).number, services.clock())
        [told] = _show(services, [run], _urls(request, account_id))
        return told.model_copy(update={"status": IntegrateIoStatus.PENDING_STOPPAGE}) if run.status.live else told


def _offer_jobs(routes: APIRouter, services: Services, door: Door) -> None:
    state = services.state
    reader = door.caller_with(Scope.RUNS_READ)

    @routes.get("/jobs")
    def list_package_jobs(
        account_id: str,
        page: Annotated[JobsPage, Query()],
        request: Request,
        response: Response,
        caller: Caller = reader,
    ) -> list[IntegrateIoJob]:
        """List the jobs."""
        found = part((run for run in newest_first(state, caller) if page.takes(run)), page, updated_at)
        return _show(services, linked(found, page, request, response), _urls(request, account_id))

    @routes.get("/jobs/{job}")
    def get_package_job(account_id: str, job: str, request: Request, caller: Caller = reader) -> IntegrateIoJob:
        """Show one job, by its id."""
        return _show(services, [_find(state, caller, job)], _urls(request, account_id))[0]

    @routes.get("/jobs/{job}/log")
    def get_package_job_log(account_id: str, job: str, request: Request, caller: Caller = reader) -> JobLog:
        """Tell what was logged during a job."""
        run = _find(state, caller, job)
        lines = [f"{_moment(line.at)} {line.level} {line.message}" for line in state.run_lines.list(run.number)]
        url = f"{_urls(request, account_id).api}/jobs/{run.number}/log"
        return JobLog(body=hide_passwords("\n".join(lines)), url=url)

    @routes.get("/jobs/{job}/variables")
    def get_package_job_variables(
        account_id: str, job: str, request: Request, caller: Caller = reader
    ) -> UsedVariables:
        """Tell the variables of a job, with the values of the dynamic ones."""
        run = _find(state, caller, job)
        url = f"{_urls(request, account_id).api}/jobs/{run.number}/variables"
        return UsedVariables(variables=Asked.of(run, None).values, url=url)


def _offer_the_rest(routes: APIRouter, services: Services, door: Door) -> None:
    state = services.state
    reader = door.caller_with(Scope.JOBS_READ)
    asker = door.caller_with(Scope.RUNS_READ, free=True)

    @routes.get("/schedules")
    def list_package_schedules(
        account_id: str,
        page: Annotated[SchedulesPage, Query()],
        request: Request,
        response: Response,
        caller: Caller = reader,
    ) -> list[IntegrateIoSchedule]:
        """List the jobs as schedules."""
        within = jobs_within(state, caller)
        urls, now = _urls(request, account_id), services.clock()
        jobs = sorted(state.jobs.list(), key=lambda job: job.created_at, reverse=True)
        shown = (
            IntegrateIoSchedule.of(job, state.runs.last_finished(job.id), urls, now)
            for job in jobs
            if within is None or job.id in within
        )
        found = part(filter(page.takes, shown), page, lambda schedule: schedule.updated_at)
        return linked(found, page, request, response)

    @routes.get("/rate_limit_status")
    def get_rate_limit_status(account_id: str, caller: Caller = asker) -> RateLimitStatus:
        """Tell how many requests are left; to ask takes none."""
        left = door.left(caller)
        return RateLimitStatus(limits=Limits(limit=left.limit, remaining=left.remaining))


def _options(job: Job, wanted: JobCreate, now: datetime) -> RunOptions:
    values, without = evaluated(wanted.dynamic_variables, wanted.variables, now)
    faulty = [name for name in without if not wanted.dynamic_variables[name].startswith("$")]
    if faulty:
        known = f"is neither $NAME nor one of {', '.join(FUNCTIONS)}"
        raise Invalid([Fault(f"dynamic_variables.{name}", known) for name in faulty])
    every = {**wanted.variables, **values}
    asked = Asked.model_validate({**wanted.model_dump(), "values": every})
    return RunOptions(
        variables={name: value for name, value in every.items() if name in job.definition.variables},
        metadata={**job.definition.default_run_metadata, TAG: asked.model_dump_json()},
    )


def _find(state: State, caller: Caller, number: str) -> Run:
    try:
        return run_of(state, caller, number)
    except NotFound:
        raise NotFound("Item not found.") from None


def _show(services: Services, runs: Iterable[Run], urls: Urls) -> list[IntegrateIoJob]:
    state = services.state
    jobs = {job.id: job for job in state.jobs.list(include_ended=True)}
    return [
        IntegrateIoJob.of(
            run,
            jobs.get(run.job_id),
            state.jobs.version(run.job_id, run.job_version).definition,
            urls,
            services.clock(),
        )
        for run in runs
    ]


def _urls(request: Request, account_id: str) -> Urls:
    server = str(request.base_url)
    return Urls(server, f"{server}{quote(account_id, safe='')}/api")


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
