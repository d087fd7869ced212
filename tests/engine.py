"""The rooms between the configuration and the parts, put together in this process, with parts that can be disturbed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.admission import Admission
from syncd.attempt import Stop
from syncd.config.load import load
from syncd.config.settings import PartConfig
from syncd.jobs import JobService
from syncd.model.job import Job, JobDefinition
from syncd.model.run import Lease, Run, RunOptions
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.ports import Embedder, KnowledgeBase, Source
from syncd.runner import Runner
from syncd.state import State, owner_id
from syncd.telemetry import bound
from syncd.triggers import Triggers, Wish
from syncd.worker import Worker
from tests.world import World

TTL = timedelta(seconds=30)


class _Watched:
    """A part that tells of each call before it is made; what the listener raises, the part raises."""

    def __init__(self, part: Any, kind: str, told: Callable[[str], None]) -> None:
        self._part = part
        self._kind = kind
        self._told = told

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._told(f"{self._kind}.{name}")
            return found(*arguments, **named)

        return call


class Disturbed(Plugins):
    """The real plugins, with something that happens before calls such as `source.begin` or `store.upsert`."""

    def __init__(self) -> None:
        super().__init__([])
        self.before: dict[str, Callable[[], object]] = {}
        self.opened = 0

    def source(self, config: PartConfig, job: JobDefinition) -> Source:
        watched: Source = self._watched(super().source(config, job), "source")
        return watched

    def embedder(self, config: PartConfig) -> Embedder:
        watched: Embedder = self._watched(super().embedder(config), "embedder")
        return watched

    def knowledge_base(self, name: str, config: PartConfig, embedding: str, holder: Mapping[str, str]) -> KnowledgeBase:
        self._told("store.open")
        self.opened += 1
        watched: KnowledgeBase = self._watched(super().knowledge_base(name, config, embedding, holder), "store")
        return watched

    def _watched(self, part: object, kind: str) -> Any:
        return _Watched(part, kind, self._told)

    def _told(self, call: str) -> None:
        self.before.get(call, lambda: None)()


@dataclass
class Clock:
    """A clock that stands still until it is moved; with `now` None it is the real one."""

    now: datetime | None = None

    def __call__(self) -> datetime:
        return self.now or datetime.now(UTC)


@dataclass
class Engine:
    """Runs the jobs of a world in this process."""

    world: World
    state: State
    parts: Parts
    plugins: Disturbed
    jobs: JobService
    triggers: Triggers
    clock: Clock
    pauses: list[float] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    at_step: dict[str, Callable[[], object]] = field(default_factory=dict)
    finished: list[Run] = field(default_factory=list)
    on_pause: Callable[[], object] = lambda: None

    @classmethod
    @contextmanager
    def of(cls, world: World, now: datetime | None = None) -> Iterator[Engine]:
        """Open the state and take the jobs from the world's configuration."""
        plugins, clock = Disturbed(), Clock(now)
        settings = load(world.config, {}, plugins.options_for)
        state = State.open(settings.state.get_secret_value())
        parts = Parts(settings, plugins, {"role": "test"})
        engine = cls(world, state, parts, plugins, JobService(state, clock), Triggers(state, clock), clock)
        engine.jobs.reconcile(settings.jobs)
        try:
            yield engine
        finally:
            parts.close()
            state.close()

    @property
    def job(self) -> Job:
        """The job `copy`, as it is now."""
        return self.state.jobs.get("copy")

    def runner(self, ttl: timedelta = TTL) -> Runner:
        """A runner that writes down its pauses and its steps, and does not wait."""

        def pause(_event: threading.Event, seconds: float) -> None:
            self.pauses.append(seconds)
            self.on_pause()

        return Runner(self.state, self.parts, self.clock, self._reached, lease_ttl=ttl, pause=pause)

    def ask(self, name: str = "copy", options: RunOptions = RunOptions()) -> Run:
        """Ask for a run."""
        return self.triggers.ask(self.state.jobs.get(name), Wish(options))

    def claim(self, name: str = "copy", options: RunOptions = RunOptions()) -> tuple[Run, Lease]:
        """Ask for a run and take it."""
        run = self.ask(name, options)
        claimed = self.state.leases.claim(owner_id(), self.clock(), TTL, run.number)
        assert claimed is not None
        return claimed

    def run(self, name: str = "copy", stop: Stop | None = None, options: RunOptions = RunOptions()) -> Run:
        """Ask for a run and bring it to its end."""
        return self.runner().execute(*self.claim(name, options), stop or Stop())

    @contextmanager
    def working(self, concurrency: int = 2, ttl: timedelta = TTL, keep_runs: int = 1000) -> Iterator[Worker]:
        """Let a worker take what is queued, and stop it afterwards."""
        worker = self.worker(concurrency, ttl, keep_runs)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()

    def worker(self, concurrency: int = 2, ttl: timedelta = TTL, keep_runs: int = 1000) -> Worker:
        """Make a worker, not started yet."""
        return Worker(
            self.state,
            self.triggers,
            Admission(self.state, self.clock),
            self.runner(ttl),
            owner=owner_id(),
            concurrency=concurrency,
            keep_runs=keep_runs,
            clock=self.clock,
            bound=bound,
            finished=self.finished.append,
        )

    def _reached(self, step: str) -> None:
        self.steps.append(step)
        self.at_step.get(step, lambda: None)()


class Gate:
    """A place where a thread waits until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self._open.wait(60)

    def open(self) -> None:
        """Let every thread pass, now and later."""
        self._open.set()
