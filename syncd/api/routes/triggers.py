"""Runs on demand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from syncd.api.access import caller_with, reach_job
from syncd.api.routes.jobs import Writer
from syncd.api.run_views import (
    ApprovedSweep,
    BulkResult,
    BulkTrigger,
    BulkTriggered,
    RunView,
    TriggeredRun,
    TriggerRequest,
)
from syncd.api.services import Services
from syncd.errors import Fault, Invalid
from syncd.model.access import Caller, Scope
from syncd.model.dynamic import FUNCTIONS, evaluated
from syncd.model.run import RunOptions, Trigger
from syncd.triggers import Wish

Pusher = Annotated[Caller, Depends(caller_with(Scope.JOBS_TRIGGER))]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key within 24 hours is answered with the same run.",
    ),
]


def router(services: Services) -> APIRouter:
    """Return the routes that ask for runs."""
    routes = APIRouter(prefix="/v1/jobs/{job}", tags=["jobs"])

    def wish(caller: Caller, wanted: TriggerRequest, header: str | None = None) -> Wish:
        if header is not None and wanted.idempotency_key not in {None, header}:
            raise Invalid([Fault("idempotency_key", "differs from the header Idempotency-Key: give one of the two")])
        values, unknown = evaluated(wanted.dynamic_variables, wanted.variables, services.clock())
        if unknown:
            known = f"is neither a $NAME that has a value nor one of {', '.join(FUNCTIONS)}"
            raise Invalid([Fault(f"dynamic_variables.{name}", known) for name in unknown])
        return Wish(
            RunOptions(
                full=wanted.full_refresh,
                limit=wanted.limit,
                dry_run=wanted.dry_run,
                repair=wanted.repair,
                sweep=wanted.sweep,
                variables={**wanted.variables, **values},
                tags=wanted.tags,
                metadata=wanted.metadata,
            ),
            Trigger.API,
            wanted.scheduled_at,
            caller.name,
            header or wanted.idempotency_key,
            wanted.dedup_window_secs,
            wanted.run_ttl_secs,
        )

    @routes.post("/trigger", status_code=201, responses={200: {"model": TriggeredRun}})
    def trigger_job(
        caller: Pusher,
        job: str,
        response: Response,
        wanted: TriggerRequest | None = None,
        idempotency_key: Key = None,
    ) -> TriggeredRun:
        """Ask for a run of a job: 201 with the run, or 200 with an earlier one that was asked for in the same way.

        Requests that wait and ask for nothing of their own share one run.
        """
        found = reach_job(services.state, caller, job)
        [(run, known)] = services.triggers.ask_all(
            found, [wish(caller, wanted or TriggerRequest.model_validate({}), idempotency_key)]
        )
        services.wake()
        response.status_code = 200 if known else 201
        return TriggeredRun.of(run, idempotency_hit=known)

    @routes.post("/trigger/bulk")
    def trigger_many(caller: Pusher, job: str, wanted: BulkTrigger) -> BulkTriggered:
        """Ask for up to 500 runs of a job: all of them, or none when one of them cannot be."""
        found = reach_job(services.state, caller, job)
        before = services.state.runs.newest_number()
        answers = services.triggers.ask_all(found, [wish(caller, item) for item in wanted.items])
        services.wake()
        results = [BulkResult(id=run.id, status=run.status, idempotency_hit=known) for run, known in answers]
        created = len({run.number for run, _ in answers if run.number > before})
        return BulkTriggered(results=results, total=len(results), created=created)

    @routes.post("/approve", status_code=201)
    def approve_sweep(caller: Writer, job: str) -> ApprovedSweep:
        """Let the sweep that waits remove as many documents as it would have, and ask for a run that does."""
        found = reach_job(services.state, caller, job)
        sweep, run = services.triggers.approve(found, Trigger.API, caller.name)
        services.wake()
        return ApprovedSweep(documents=sweep.approved, run=RunView.of(run))

    return routes
