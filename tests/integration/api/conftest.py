"""The real app over real HTTP, on a real state and a small index in memory."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from syncd.api.app import create_app
from syncd.api.serve import Server
from syncd.api.services import Services
from syncd.config.settings import Limits, Settings
from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.errors import Fault, SyncdError
from syncd.jobs import JobService
from syncd.library import Library
from syncd.model.job import Job, JobDefinition, Origin
from syncd.model.record import Identity, Match, Metadata, Reject
from syncd.model.run import Checkpoint, Counts, Lease, Request, Run, RunStatus, Trigger
from syncd.model.watermark import Watermark
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.state import State
from syncd.telemetry import Metrics
from syncd.telemetry.readings import job_readings
from syncd.webhooks import Deliverer
from tests.api_services import api_services

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
TTL = timedelta(minutes=5)
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The server has none, and a client would read all of the machine's certificates before it asks."""


class Index:
    """Texts that are found by the words they share; it waits or fails when it is told to."""

    def __init__(self) -> None:
        self._embedder = HashingEmbedder(HashingOptions())
        self._texts: dict[str, tuple[str, Metadata]] = {}
        self.error: Exception | None = None
        self.wait: Callable[[], None] = lambda: None

    def add(self, name: str, text: str, **metadata: str | float | bool | None) -> None:
        self._texts[name] = (text, metadata)

    def search(self, name: str, text: str, k: int, where: Metadata) -> list[Match]:
        assert name == "orders_kb"
        self.wait()
        if self.error is not None:
            raise self.error
        [question] = self._embedder.embed([text])
        matches = [
            Match(id_, float(np.dot(question, self._embedder.embed([content])[0])), content, metadata)
            for id_, (content, metadata) in self._texts.items()
            if all(metadata.get(column) == value for column, value in where.items())
        ]
        return sorted(matches, key=lambda match: -match.score)[:k]


@dataclass
class World:
    """A running server and all that stands behind it."""

    state: State
    index: Index
    registry: CollectorRegistry
    metrics: Metrics
    parts: Parts
    now: datetime = START
    reasons: list[str] = field(default_factory=list)
    unready: SyncdError | None = None
    names: list[str] = field(default_factory=lambda: ["orders_kb"])
    tables: list[str] = field(default_factory=lambda: ["shop.orders", "shop.items", "shop.parts"])
    deliverer: Deliverer | None = None
    told: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    library: Library = field(init=False)
    _owners: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.library = Library(self.state, self.parts, Plugins([]), self.clock)

    def clock(self) -> datetime:
        return self.now

    def services(self, *, anonymous: bool = True) -> Services:
        """What the routes stand on."""
        given = {"deliverer": self.deliverer} if self.deliverer else {}
        return api_services(
            self.state,
            self.parts,
            self.clock,
            jobs=JobService(self.state, self.clock, self.limits, self.examine),
            changed=lambda: self.told.append("changed"),
            wake=lambda: self.told.append("wake"),
            purge=lambda job: self.told.append(f"purge {job.name}"),
            rows_behind=lambda _job: 3,
            knowledge_bases=lambda: self.names,
            search=self.index.search,
            library=self.library,
            readiness=self.readiness,
            registry=self.registry,
            anonymous=anonymous,
            **given,
        )

    def examine(self, definition: JobDefinition) -> list[Fault]:
        """Know the knowledge bases and one table."""
        faults = []
        if definition.kb_name not in self.names:
            faults.append(Fault("kb_name", "there is no such knowledge base", "INVALID_KB"))
        if definition.source_table not in self.tables:
            return [*faults, Fault("source_table", "there is no such table", "INVALID_TABLE")]
        unknown = set(definition.content_columns) - {"product", "description"}
        return [*faults, *(Fault("content_columns", f"has no column {name!r}") for name in sorted(unknown))]

    def readiness(self) -> list[str]:
        if self.unready is not None:
            raise self.unready
        return self.reasons

    def job(self, name: str = "orders", **change: object) -> Job:
        fields: dict[str, object] = {
            "source_table": "shop.orders",
            "kb_name": "orders_kb",
            "content_columns": ["product"],
            "filter_column": "created_at",
            "interval": "10 MINUTES",
        }
        definition = JobDefinition.model_validate(fields | change)
        return self.state.jobs.put(name, definition, Origin.FILE, self.now)

    def enqueue(self, job: Job, trigger: Trigger = Trigger.MANUAL) -> Run:
        return self.state.queue.enqueue(job, Request(trigger, self.now), self.now)

    def begin(self, run: Run) -> Lease:
        claimed = self.state.leases.claim(f"owner-{next(self._owners)}", self.now, TTL, run.number)
        assert claimed is not None
        return claimed[1]

    def run(
        self,
        job: Job,
        *,
        status: RunStatus = RunStatus.COMPLETED,
        trigger: Trigger = Trigger.MANUAL,
        counts: Counts = Counts(),
        stages: Mapping[str, float] | None = None,
        watermark: Watermark | None = None,
        rejects: tuple[Reject, ...] = (),
        error: str | None = None,
        seconds: float = 2,
    ) -> Run:
        """Take a job through one whole run, with a checkpoint when there is a watermark."""
        run = self.enqueue(job, trigger)
        lease = self.begin(run)
        spent = dict(stages or {})
        if watermark is not None:
            checkpoint = Checkpoint(watermark, job.definition.meaning(), Identity("kb", 1))
            self.state.checkpoints.commit(
                lease,
                run.number,
                checkpoint,
                counts=counts,
                stages=spent,
                rejects=rejects,
                resolved=(),
                now=self.now,
            )
        self.now += timedelta(seconds=seconds)
        ended = self.state.runs.finish(
            lease,
            run.number,
            status,
            counts=counts,
            stages=spent,
            watermark=None if watermark is None else str(watermark),
            error=error,
            now=self.now,
        )
        self.metrics.run_finished(ended)
        return ended


@contextmanager
def serving(world: World, app: FastAPI | None = None) -> Iterator[Server]:
    """Serve a world on a free port, through an app of its own or this one."""
    server = Server("127.0.0.1", 0)
    server.start(app or create_app(world.services(), server.hosts))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty state and an empty index."""
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    registry = CollectorRegistry()
    parts = Parts(Settings(), Plugins([]), {"role": "test"})
    world = World(state, Index(), registry, Metrics(registry), parts)
    world.metrics.watch(lambda: job_readings(state, world.now))
    yield world
    parts.close()
    state.close()


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    """A server that answers for the world."""
    with serving(world) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the server."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20, verify=NO_TLS) as client:
        yield client
