"""The app: every route behind one guard."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from syncd import __version__
from syncd.api import problems
from syncd.api.guard import Guard
from syncd.api.routes import databases as databases_routes
from syncd.api.routes import health, jobs, runs
from syncd.api.routes import knowledge_bases as knowledge_bases_routes
from syncd.api.schemas import Problem
from syncd.api.services import Databases, Search, Services
from syncd.library import Library
from syncd.state import State


def create_app(
    *,
    state: State,
    knowledge_bases: Callable[[], Collection[str]],
    search: Search,
    databases: Databases,
    library: Library,
    readiness: Callable[[], list[str]],
    registry: CollectorRegistry,
    clock: Callable[[], datetime],
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
        databases=databases,
        library=library,
        readiness=readiness,
        registry=registry,
        clock=clock,
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
    for resource in (health, jobs, runs, knowledge_bases_routes, databases_routes):
        app.include_router(resource.router(services))
    app.add_middleware(Guard, hosts=hosts)
    return app
