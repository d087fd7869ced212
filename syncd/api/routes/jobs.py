"""Jobs: what is kept in step, and how it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import ValidationError

from syncd.api.access import caller_with, reach_job, reaches
from syncd.api.description import LOCATION
from syncd.api.job_views import JobPatch, JobView, NewJob
from syncd.api.pages import JobCursor, Listed, Paging, cursor, listed
from syncd.api.services import Services
from syncd.api.wording import faults
from syncd.errors import Forbidden, Invalid
from syncd.model.access import Caller, Scope
from syncd.model.job import Job, JobDefinition, JobStatus
from syncd.model.run import RunStatus

_GOING = (RunStatus.RUNNING, RunStatus.CANCELING)

Reader = Annotated[Caller, Depends(caller_with(Scope.JOBS_READ))]
Writer = Annotated[Caller, Depends(caller_with(Scope.JOBS_WRITE))]
IfMatch = Annotated[
    str | None,
    Header(description="The `ETag` of the version that the change was made for.", pattern=r'^"[0-9]{1,9}"$'),
]


class JobsQuery(Paging):
    """Which jobs to list."""

    status: JobStatus | None = None
    """Only jobs of this status."""
    name: str | None = None
    """Only the job of this name."""
    tag: Annotated[str | None, Query(pattern=r"^[^=]+=[^=]+$")] = None
    """Only jobs with this tag, written `name=value`."""
    kb_name: str | None = None
    """Only jobs that fill this knowledge base."""
    source_table: str | None = None
    """Only jobs that read this table."""
    project_id: str | None = None
    """Taken from callers that send one; syncd has no projects, so that it changes nothing."""
    cursor: JobCursor | None = None
    """The `next_cursor` of the page before."""


def router(services: Services) -> APIRouter:
    """Return the routes that make, show, change and delete jobs."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    state, service = services.state, services.jobs

    @routes.get("")
    def list_jobs(
        caller: Reader, query: Annotated[JobsQuery, Query()], request: Request, response: Response
    ) -> Listed[JobView]:
        """List the jobs, oldest first, those that have ended too."""
        now = services.clock()
        jobs = [job for job in state.jobs.list(include_ended=True) if reaches(caller, job)]
        running = frozenset(run.job_id for status in _GOING for run in state.runs.list(status=status, limit=len(jobs)))
        found = sorted((job for job in jobs if _wanted(job, query, now, running)), key=lambda job: job.id)
        seen = views(services, found[: query.limit], now, running)
        return listed(
            found[: query.limit + 1],
            query.limit,
            mark=lambda job: cursor("jobs", job.id),
            show=lambda job: seen[job.id],
            request=request,
            answer=response,
        )

    @routes.post("", status_code=201, responses={201: {"headers": LOCATION}})
    def create_job(caller: Writer, new: NewJob, response: Response) -> JobView:
        """Add a job; its ticks begin at once unless it is disabled."""
        job = created(services, caller, new)
        services.changed()
        response.headers["Location"] = f"/v1/jobs/{job.public_id}"
        return shown(services, job, response)

    @routes.get("/{job}")
    def get_job(caller: Reader, job: str, response: Response) -> JobView:
        """Show one job, by its id (`job_12`) or its name; the `ETag` is its version."""
        return shown(services, reach_job(state, caller, job), response)

    @routes.patch("/{job}")
    def change_job(
        caller: Writer,
        job: str,
        patch: JobPatch,  # type: ignore[valid-type]
        response: Response,
        if_match: IfMatch = None,
    ) -> JobView:
        """Change fields of a job that the API made; with `If-Match`, only while it has that version."""
        found = reach_job(state, caller, job)
        changes: dict[str, Any] = patch.model_dump(exclude_unset=True)  # type: ignore[attr-defined]

        def change(known: JobDefinition) -> JobDefinition:
            return _patched(known, changes)

        require_reach(caller, found.name, change(found.definition))
        version = None if if_match is None else int(if_match.strip('"'))
        revised = service.revise(found, change, by=caller.name, version=version)
        services.changed()
        return shown(services, revised, response)

    @routes.delete("/{job}", status_code=204)
    def delete_job(
        caller: Writer,
        job: str,
        cancel: Annotated[bool, Query(description="Cancel its live runs first.")] = False,
        purge_documents: Annotated[
            bool, Query(description="Remove its documents from the knowledge base too.")
        ] = False,
    ) -> None:
        """Delete a job that the API made and free its name; its runs stay in the history."""
        found = reach_job(state, caller, job)
        service.delete(found, cancel=cancel, purge=purge_documents)
        if purge_documents:
            services.purge(found)
        services.changed()

    return routes


def shown(services: Services, job: Job, response: Response | None = None) -> JobView:
    """Show a job as it stands, its version in the answer's `ETag`."""
    if response is not None:
        response.headers["ETag"] = f'"{job.version}"'
    live = services.state.runs.live(job.id)
    running = frozenset([job.id] if live is not None and live.status in _GOING else [])
    return views(services, [job], services.clock(), running)[job.id]


def created(services: Services, caller: Caller, new: NewJob) -> Job:
    """Add a job, if the caller may make one that reads and fills what it names."""
    require_reach(caller, new.name, new.definition)
    return services.jobs.create(new.name, new.definition, caller.name)


def require_reach(caller: Caller, name: str, definition: JobDefinition) -> None:
    """Check that a job that shall be is within the caller's limits.

    Raises:
        Forbidden: it is not.
    """
    if not caller.reaches(name, definition.database, definition.kb_name):
        raise Forbidden(f"the token does not reach the job {name} with what it names", "ask for a token that does")


def views(services: Services, jobs: Sequence[Job], now: datetime, running: Collection[int]) -> Mapping[int, JobView]:
    """Show jobs as they stand, by number; `running` are the numbers of those that a run of goes on.

    The state is asked as often for a hundred jobs as for one.
    """
    state = services.state
    numbers = [job.id for job in jobs]
    last_runs = state.runs.last_finished_of(numbers)
    checkpoints = state.checkpoints.of(numbers)
    dead_letters = state.dead_letters.counts(numbers)
    return {
        job.id: JobView.of(
            job,
            now=now,
            running=job.id in running,
            last_run=last_runs.get(job.id),
            checkpoint=checkpoints.get(job.id),
            dead_letters=dead_letters.get(job.id, 0),
            place=services.jobs.place(job),
        )
        for job in jobs
    }


def _wanted(job: Job, query: JobsQuery, now: datetime, running: frozenset[int]) -> bool:
    definition = job.definition
    tag, _, value = (query.tag or "").partition("=")
    return (
        (query.cursor is None or job.id > query.cursor)
        and (query.name is None or job.name == query.name)
        and (query.kb_name is None or definition.kb_name == query.kb_name)
        and (query.source_table is None or definition.source_table == query.source_table)
        and (query.tag is None or definition.tags.get(tag) == value)
        and (query.status is None or job.status(now, running=job.id in running) is query.status)
    )


def _patched(known: JobDefinition, changes: Mapping[str, Any]) -> JobDefinition:
    fields = known.model_dump(mode="json")
    for name, value in changes.items():
        if value is None and not JobDefinition.model_fields[name].is_required():
            fields.pop(name)
        else:
            fields[name] = value
    try:
        return JobDefinition.model_validate(fields)
    except ValidationError as error:
        raise Invalid(faults(error.errors())) from error
