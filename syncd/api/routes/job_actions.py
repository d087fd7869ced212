"""What is done to jobs: several at once, enabling, pausing, cloning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Response

from syncd.api.access import reach_job
from syncd.api.description import LOCATION
from syncd.api.job_views import Batch, BatchDone, BatchResult, CloneRequest, JobView, Named, NewJob
from syncd.api.problems import fault_of
from syncd.api.routes.jobs import Writer, created, require_reach, shown
from syncd.api.schemas import Problem
from syncd.api.services import Services
from syncd.errors import SyncdError
from syncd.model.access import Caller
from syncd.model.job import Job

_FAULTS: dict[int | str, dict[str, Any]] = {
    422: {
        "model": Problem,
        "description": "The job's definition does not go with the other jobs, the limits or the time",
    }
}


def router(services: Services) -> APIRouter:
    """Return the routes that do something to jobs."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    state, service = services.state, services.jobs

    def enabled(caller: Caller, name: str, value: bool) -> Job:
        job = reach_job(state, caller, name)
        return service.revise(job, lambda known: known.model_copy(update={"enabled": value}), by=caller.name)

    def add(caller: Caller, new: NewJob) -> JobView:
        return shown(services, created(services, caller, new))

    def enable(caller: Caller, name: str, value: bool) -> JobView:
        return shown(services, enabled(caller, name, value))

    @routes.post("/batch")
    def create_jobs(caller: Writer, batch: Batch) -> BatchDone:
        """Add up to 50 jobs, each by itself: one that cannot be does not keep the others from it."""
        done = _each([(new.name, partial(add, caller, new)) for new in batch.jobs])
        services.changed()
        return done

    @routes.post("/batch-enable")
    def enable_jobs(caller: Writer, named: Named) -> BatchDone:
        """Enable several jobs, each by itself."""
        done = _each([(name, partial(enable, caller, name, True)) for name in named.jobs])
        services.changed()
        return done

    @routes.post("/batch-disable")
    def disable_jobs(caller: Writer, named: Named) -> BatchDone:
        """Disable several jobs, each by itself; runs that go on are not touched."""
        done = _each([(name, partial(enable, caller, name, False)) for name in named.jobs])
        services.changed()
        return done

    @routes.post("/{job}/enable", responses=_FAULTS)
    def enable_job(caller: Writer, job: str, response: Response) -> JobView:
        """Let a job that the API made run by itself again."""
        changed = enabled(caller, job, True)
        services.changed()
        return shown(services, changed, response)

    @routes.post("/{job}/disable", responses=_FAULTS)
    def disable_job(caller: Writer, job: str, response: Response) -> JobView:
        """Let a job that the API made run no more, by itself or when triggered; a run that goes on is not touched."""
        changed = enabled(caller, job, False)
        services.changed()
        return shown(services, changed, response)

    @routes.post("/{job}/pause")
    def pause_job(caller: Writer, job: str, response: Response) -> JobView:
        """Stop a job's ticks until it is resumed, also one from a file; a run that goes on is not touched."""
        return shown(services, service.pause(reach_job(state, caller, job)), response)

    @routes.post("/{job}/resume")
    def resume_job(caller: Writer, job: str, response: Response) -> JobView:
        """Let a paused job have ticks again; those that were missed become one run."""
        resumed = service.resume(reach_job(state, caller, job))
        services.changed()
        return shown(services, resumed, response)

    @routes.post("/{job}/clone", status_code=201, responses={201: {"headers": LOCATION}})
    def clone_job(caller: Writer, job: str, wanted: CloneRequest, response: Response) -> JobView:
        """Add a job like this one under another name: disabled, and with nothing read yet."""
        found = reach_job(state, caller, job)
        name = wanted.name or f"{found.name}_copy"
        require_reach(caller, name, found.definition.model_copy(update={"kb_name": wanted.kb_name}))
        clone = service.clone(found, name, wanted.kb_name, caller.name)
        response.headers["Location"] = f"/v1/jobs/{clone.public_id}"
        return shown(services, clone, response)

    return routes


def _each(work: Sequence[tuple[str, Callable[[], JobView]]]) -> BatchDone:
    results = []
    for name, do in work:
        try:
            results.append(BatchResult(name=name, job=do(), error=None))
        except SyncdError as error:
            results.append(BatchResult(name=name, job=None, error=fault_of(error)))
    succeeded = sum(1 for result in results if result.error is None)
    return BatchDone(results=results, succeeded=succeeded, failed=len(results) - succeeded)
