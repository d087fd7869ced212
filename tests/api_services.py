"""What the routes of the API stand on, for tests that say only what matters to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry

from syncd.api.services import Services
from syncd.api.webhook_views import shown_run
from syncd.inspection import Inspection
from syncd.jobs import JobService
from syncd.library import Library
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.rebuild import Rebuild
from syncd.state import State
from syncd.triggers import Triggers
from syncd.webhooks import Deliverer, Sender


def api_services(state: State, parts: Parts, clock: Callable[[], datetime], **given: Any) -> Services:
    """Return the real services over a state and parts, but for those that are given."""
    services = Services(
        state=state,
        jobs=JobService(state, clock, examine=parts.examine),
        triggers=Triggers(state, clock),
        changed=lambda: None,
        wake=lambda: None,
        purge=parts.purge,
        rows_behind=lambda _job: None,
        knowledge_bases=parts.names,
        search=parts.search,
        databases=parts,
        library=Library(state, parts, Plugins([]), clock),
        rebuild=Rebuild(state, parts, clock),
        readiness=list,
        registry=CollectorRegistry(),
        clock=clock,
        anonymous=True,
        deliverer=Deliverer(state, Sender(), shown_run, clock),
        inspection=Inspection(state, parts, clock),
    )
    return replace(services, **given)
