"""What a job waits for: other jobs that have to run first."""

from __future__ import annotations

from fastapi import APIRouter

from syncd.api.access import reach_job
from syncd.api.job_views import Dependencies, DependencyRequest, DependencyView
from syncd.api.routes.jobs import Reader, Writer
from syncd.api.services import Services
from syncd.errors import NotFound
from syncd.model.access import Caller
from syncd.model.job import Job, JobDefinition
from syncd.model.policy import Dependency


def router(services: Services) -> APIRouter:
    """Return the routes of a job's dependencies."""
    routes = APIRouter(prefix="/v1/jobs/{job}", tags=["jobs"])
    state = services.state

    def find(caller: Caller, reference: str) -> Job:
        return reach_job(state, caller, reference)

    def shown(job: Job, dependency: Dependency) -> DependencyView:
        upstream = state.jobs.get(dependency.job)
        return DependencyView(
            id=f"dep_{upstream.id}",
            job_id=job.public_id,
            depends_on_job_id=upstream.public_id,
            depends_on=upstream.name,
            condition=dependency.condition,
        )

    @routes.get("/dependencies")
    def list_dependencies(caller: Reader, job: str) -> Dependencies:
        """List the jobs that have to run before this one."""
        found = find(caller, job)
        return Dependencies(data=[shown(found, one) for one in found.definition.depends_on])

    @routes.post("/dependencies", status_code=201)
    def add_dependency(caller: Writer, job: str, wanted: DependencyRequest) -> DependencyView:
        """Let each run of a job wait until another has run since; circles are refused."""
        found = find(caller, job)
        upstream = find(caller, wanted.depends_on_job_id)
        dependency = Dependency(job=upstream.name, condition=wanted.condition)

        def change(known: JobDefinition) -> JobDefinition:
            others = [one for one in known.depends_on if one.job != upstream.name]
            return known.model_copy(update={"depends_on": (*others, dependency)})

        services.jobs.revise(found, change, by=caller.name)
        return shown(found, dependency)

    @routes.delete("/dependencies/{dependency}", status_code=204)
    def remove_dependency(caller: Writer, job: str, dependency: str) -> None:
        """Let a job wait for another no more, by the dependency's id (`dep_3`)."""
        found = find(caller, job)
        by_id = {shown(found, one).id: one for one in found.definition.depends_on}
        if dependency not in by_id:
            raise NotFound(f"the job has no dependency {dependency[:128]!r}", "list them with GET")
        gone = by_id[dependency].job

        def change(known: JobDefinition) -> JobDefinition:
            return known.model_copy(update={"depends_on": tuple(one for one in known.depends_on if one.job != gone)})

        services.jobs.revise(found, change, by=caller.name)

    return routes
