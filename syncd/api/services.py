"""What the routes stand on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry

from syncd.inspection import Inspection
from syncd.jobs import JobService
from syncd.library import Library
from syncd.model.job import Job
from syncd.model.record import Match, Metadata
from syncd.ports import Catalog
from syncd.rebuild import Rebuild
from syncd.state import State
from syncd.triggers import Triggers
from syncd.webhooks import Deliverer

Search = Callable[[str, str, int, Metadata], list[Match]]
"""Finds the chunks nearest to a text: name of the knowledge base, text, how many, metadata that they must equal."""


class Databases(Protocol):
    """The databases that jobs read from."""

    def databases(self) -> Mapping[str, str]:
        """Return them by name, each with its kind."""
        ...

    def browse(self, name: str) -> AbstractContextManager[Catalog]:
        """Lend what looks around in one. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that the routes are handed; every one of them may be called from several threads.

    Args:
        state: jobs, runs, checkpoints and dead letters.
        jobs: changes jobs.
        triggers: asks for runs.
        changed: to be called when jobs have changed.
        wake: to be called when a run was asked for.
        purge: removes a job's documents from its knowledge base.
        rows_behind: counts the rows that a job's next run has yet to read, None when that is not known.
        knowledge_bases: names those that can be searched now.
        search: searches one of them.
        databases: what can be synced.
        library: looks at knowledge bases, makes and removes them.
        rebuild: fills new generations of them.
        readiness: says why syncd cannot do its work now; nothing when it can.
        registry: the metrics to expose.
        clock: tells the time, aware and in UTC.
        anonymous: whether those who can reach the server need no token, as long as there is none.
        deliverer: sends to webhooks, and knows where they may lead.
        inspection: answers what people ask about a job.
    """

    state: State
    jobs: JobService
    triggers: Triggers
    changed: Callable[[], None]
    wake: Callable[[], None]
    purge: Callable[[Job], None]
    rows_behind: Callable[[Job], int | None]
    knowledge_bases: Callable[[], Collection[str]]
    search: Search
    databases: Databases
    library: Library
    rebuild: Rebuild
    readiness: Callable[[], list[str]]
    registry: CollectorRegistry
    clock: Callable[[], datetime]
    anonymous: bool
    deliverer: Deliverer
    inspection: Inspection
