"""What those who watch over syncd ask: is it alive, can it work, what has it done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest

from syncd.api import problems
from syncd.api.access import caller_with, reaches
from syncd.api.schemas import Detail, Health, Problem
from syncd.api.services import Services
from syncd.model.access import Caller
from syncd.telemetry import hide_passwords


def router(services: Services) -> APIRouter:
    """Return the routes for probes and for Prometheus."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """Answer, as long as the process answers; it waits for nothing."""
        return Health(status="ok")

    @routes.get(
        "/readyz",
        response_model=Health,
        responses={503: {"model": Problem, "description": "It cannot, for the reasons in `details`"}},
    )
    def readyz(request: Request) -> Health | Response:
        """Tell whether syncd can do its work, and if not, every reason why."""
        reasons = services.readiness()
        if not reasons:
            return Health(status="ready")
        return problems.answer(
            503,
            "NOT_READY",
            "syncd cannot do its work now",
            request.state.request_id,
            details=[Detail(field=None, message=hide_passwords(reason)) for reason in reasons],
            headers={"Retry-After": str(problems.RETRY_SECONDS)},
        )

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    def metrics(caller: Annotated[Caller, Depends(caller_with())]) -> Response:
        """Show the metrics, for Prometheus; those of jobs only within the caller's limits."""
        shown: CollectorRegistry | _Within = services.registry
        if caller.limited:
            jobs = services.state.jobs.list(include_ended=True)
            shown = _Within(services.registry, frozenset(job.name for job in jobs if reaches(caller, job)))
        return Response(generate_latest(shown), media_type=CONTENT_TYPE_LATEST)

    return routes


class _Within:
    """A registry without the series of other jobs than these."""

    def __init__(self, registry: CollectorRegistry, jobs: frozenset[str]) -> None:
        self._registry = registry
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            shown = Metric(family.name, family.documentation, family.type, family.unit)
            shown.samples = [s for s in family.samples if s.labels.get("job") in {None, *self._jobs}]
            yield shown
