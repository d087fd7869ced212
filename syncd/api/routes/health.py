"""What those who watch over syncd ask: is it alive, can it work, what has it done."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from syncd.api import problems
from syncd.api.schemas import Detail, Health
from syncd.api.services import Services
from syncd.telemetry import hide_passwords


def router(services: Services) -> APIRouter:
    """Return the routes for probes and for Prometheus."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """Answer, as long as the process answers; it waits for nothing."""
        return Health(status="ok")

    @routes.get("/readyz", response_model=Health)
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

    @routes.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """Show the metrics, for Prometheus."""
        return Response(generate_latest(services.registry), media_type=CONTENT_TYPE_LATEST)

    return routes
