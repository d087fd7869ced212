"""What the routes stand on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry

from syncd.model.record import Match, Metadata
from syncd.state import State
from syncd.webhooks import Deliverer

Search = Callable[[str, str, int, Metadata], list[Match]]
"""Finds the chunks nearest to a text: name of the knowledge base, text, how many, metadata that they must equal."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that the routes are handed; every one of them may be called from several threads.

    Args:
        state: jobs, runs, checkpoints and dead letters.
        knowledge_bases: names those that can be searched now.
        search: searches one of them.
        readiness: says why syncd cannot do its work now; nothing when it can.
        registry: the metrics to expose.
        clock: tells the time, aware and in UTC.
        deliverer: sends to webhooks, and knows where they may lead.
    """

    state: State
    knowledge_bases: Callable[[], Collection[str]]
    search: Search
    readiness: Callable[[], list[str]]
    registry: CollectorRegistry
    clock: Callable[[], datetime]
    deliverer: Deliverer
