"""The app: every route behind one guard."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from syncd import __version__
from syncd.api import problems
from syncd.api.access import DENIALS
from syncd.api.guard import Guard
from syncd.api.routes import health, jobs, runs, tokens
from syncd.api.routes import knowledge_bases as knowledge_bases_routes
from syncd.api.schemas import Problem
from syncd.api.services import Search, Services
from syncd.state import State


def create_app(
    *,
    state: State,
    knowledge_bases: Callable[[], Collection[str]],
    search: Search,
    readiness: Callable[[], list[str]],
    registry: CollectorRegistry,
    clock: Callable[[], datetime],
    anonymous: bool,
    hosts: Collection[str] | None,
) -> FastAPI:
    """Return the app that answers the API, on what `Services` names.

    Args:
        hosts: the `Host` headers that are answered, in lower case; None for any.
    """
    services = Services(
        state=state,
        knowledge_bases=knowledge_bases,
        search=search,
        readiness=readiness,
        registry=registry,
        clock=clock,
        anonymous=anonymous,
    )
    app = FastAPI(
        title="syncd",
        summary="Keeps vector knowledge bases in step with SQL tables",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    )
    problems.install(app)
    app.state.services = services
    app.include_router(health.router(services))
    for resource in (jobs, runs, knowledge_bases_routes, tokens):
        app.include_router(resource.router(services), responses=dict(DENIALS))
    app.add_middleware(Guard, hosts=hosts)
    return app
