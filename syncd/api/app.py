"""The app: every route behind one guard."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI

from syncd import __version__
from syncd.api import problems
from syncd.api.description import Description
from syncd.api.dialects import integrate_io, keboola
from syncd.api.guard import Guard
from syncd.api.routes import (
    databases,
    dead_letters,
    documentation,
    health,
    inspections,
    job_actions,
    job_creation,
    job_dependencies,
    job_details,
    jobs,
    knowledge_bases,
    runs,
    tokens,
    triggers,
    webhooks,
)
from syncd.api.services import Services


def create_app(services: Services, hosts: Collection[str] | None) -> FastAPI:
    """Return the app that answers the API.

    Args:
        services: what the routes stand on.
        hosts: the `Host` headers that are answered, in lower case; None for any.
    """
    app = FastAPI(
        title="syncd",
        summary="Keeps vector knowledge bases in step with SQL tables",
        version=__version__,
        # FastAPI's own routes for these would describe all routes on the event loop, and load pages from elsewhere.
        openapi_url=None,
        redirect_slashes=False,
    )
    description = Description(app)
    app.openapi = description.document  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    problems.install(app, description.methods)
    app.state.services = services
    app.include_router(health.router(services))
    for resource in (
        job_creation,
        jobs,
        job_actions,
        job_details,
        job_dependencies,
        dead_letters,
        triggers,
        inspections,
        runs,
        databases,
        knowledge_bases,
        tokens,
        webhooks,
        keboola,
        integrate_io,
    ):
        app.include_router(resource.router(services))
    app.include_router(documentation.router(description))
    app.add_middleware(Guard, hosts=hosts)
    return app
