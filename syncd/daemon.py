"""The composition root: builds the parts, starts them, and stops them in reverse order."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from syncd.admission import Admission
from syncd.api.app import create_app
from syncd.api.serve import Server
from syncd.api.services import Services
from syncd.api.webhook_views import shown_run
from syncd.config.settings import Settings
from syncd.errors import InUse, SyncdError
from syncd.freshness import Freshness, known_rows_behind
from syncd.inspection import Inspection
from syncd.jobs import JobService
from syncd.library import Library
from syncd.model.run import Run, RunStatus
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.rebuild import Rebuild
from syncd.reload import Configuration, Reload
from syncd.runner import LEASE_TTL, Runner
from syncd.scheduler import Scheduler
from syncd.signals import answered
from syncd.state import Bounds, RunLine, State, owner_id
from syncd.telemetry import Metrics, RunLog, bound
from syncd.telemetry.readings import job_readings
from syncd.telemetry.run_log import Line
from syncd.triggers import Triggers
from syncd.webhooks import Deliverer, Sender
from syncd.worker import Worker

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 1.0
REPEAT_SECONDS = 5.0
FRESHNESS_SECONDS = 60.0
SECOND_INTERRUPT = 130


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class _StoppedEarly(BaseException):
    """A signal came while knowledge bases were being opened, which can take minutes."""


class Daemon:
    """Keeps every knowledge base in step until it is told to stop.

    Args:
        configuration: read at the start, on SIGHUP, and when its files change.
        plugins: the classes behind the configuration's types.
        reached: see `syncd.tally.Hooks`.
        lease_ttl: how long after it was last heard of another process may take over from this one.
    """

    def __init__(
        self,
        configuration: Configuration,
        plugins: Plugins,
        reached: Callable[[str], None] = lambda step: None,
        *,
        lease_ttl: timedelta = LEASE_TTL,
    ) -> None:
        self._configuration = configuration
        self._plugins = plugins
        self._reached = reached
        self._lease_ttl = lease_ttl
        self._stop = threading.Event()
        self._reload = threading.Event()
        self._changed = threading.Event()
        self._opening = False

    def run(self) -> None:
        """Start everything, and return when a signal has stopped it and all is checkpointed.

        A run that hangs in a library is left behind after some seconds; the process then ends here, with status 0.

        Raises:
            ConfigError: the configuration cannot be used.
            Unavailable: the state, the port or an embedded knowledge base belongs to somebody else or is broken.
        """
        with answered((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), self._answer, self._at_once):
            whole = self.serve()
            log.info("stopped")
            if not whole:
                # A thread inside a library can keep the interpreter from ending, or crash it on its way out.
                logging.shutdown()
                os._exit(0)

    def stop(self) -> None:
        """Ask `serve` to return, from any thread."""
        self._stop.set()

    def reload(self) -> None:
        """Ask for the configuration to be read again, from any thread."""
        self._reload.set()

    def serve(self) -> bool:
        """Start everything, and return after `stop` when all is checkpointed. Raises as `run`.

        Returns:
            Whether every thread has ended.
        """
        seen = self._configuration.stamp()
        settings = self._configuration.load()
        ended: list[bool] = []
        with ExitStack() as stack:
            state = State.open(settings.state.get_secret_value())
            stack.callback(state.close)
            registry = CollectorRegistry()
            metrics = Metrics(registry)
            metrics.watch(lambda: job_readings(state, now()))
            triggers, admission = Triggers(state, now), Admission(state, now)
            server = _listen(settings, state, stack)
            holder = {"pid": str(os.getpid()), "role": "syncd run", "since": now().isoformat(), "url": server.url}
            parts = Parts(settings, self._plugins, holder, state.knowledge_bases.list())
            stack.callback(parts.close)
            library = Library(state, parts, self._plugins, now)
            try:
                self._own(parts)
            except _StoppedEarly:
                return True
            jobs = JobService(state, now, settings.limits, parts.examine)
            run_log = _log_of_runs(state, stack)
            deliverer = Deliverer(state, Sender(settings.webhooks.allowed), shown_run, now)

            def finished(run: Run) -> None:
                metrics.run_finished(run)
                run_log.flush()
                run_log.forget(run.id)
                deliverer.wake()

            worker = Worker(
                state,
                triggers,
                admission,
                Runner(state, parts, now, self._reached, lease_ttl=self._lease_ttl),
                owner=owner_id(),
                concurrency=settings.limits.max_concurrency,
                keep_runs=settings.limits.keep_runs,
                clock=now,
                bound=bound,
                finished=finished,
                bounds=Bounds(
                    settings.limits.max_concurrency_per_database, settings.limits.max_concurrency_per_knowledge_base
                ),
            )

            def tick(job_id: int) -> None:
                run = triggers.tick(job_id)
                if run is not None and run.status is RunStatus.SKIPPED:
                    metrics.run_finished(run)
                worker.wake()

            worker.recover()
            living = jobs.reconcile(settings.jobs, settings.places)
            server.start(
                create_app(
                    Services(
                        state=state,
                        jobs=jobs,
                        triggers=triggers,
                        changed=self._changed.set,
                        wake=worker.wake,
                        purge=parts.purge,
                        rows_behind=lambda job: known_rows_behind(state, parts, job),
                        knowledge_bases=lambda: sorted(parts.names()),
                        search=parts.search,
                        databases=parts,
                        library=library,
                        rebuild=Rebuild(state, parts, now),
                        readiness=lambda: _unready(state),
                        registry=registry,
                        clock=now,
                        anonymous=server.anonymous,
                        deliverer=deliverer,
                        inspection=Inspection(state, parts, now),
                    ),
                    server.hosts,
                )
            )
            stack.callback(server.stop)
            deliverer.start()
            stack.callback(deliverer.stop)
            worker.start()
            stack.callback(lambda: ended.append(worker.stop()))
            scheduler = Scheduler(tick)
            scheduler.start()
            stack.callback(scheduler.stop)
            scheduler.update(living)
            log.info("syncd is ready: %s jobs, %s", len(settings.jobs), server.url)
            freshness = Freshness(state, parts, metrics, now)
            reload = Reload(self._configuration, seen, settings, jobs, parts, scheduler)
            self._keep_house(state, worker, scheduler, freshness, reload, run_log, library)
            log.info("stopping")
        return all(ended)

    def _own(self, parts: Parts) -> None:
        """Open every knowledge base before the first run, so that one that belongs to somebody else is noticed now."""
        self._opening = True
        for name in parts.names():
            if self._stop.is_set():
                raise _StoppedEarly
            try:
                with parts.shelf(name):
                    pass
            except InUse:
                raise
            except SyncdError as error:
                log.error("knowledge base %s cannot be opened yet: %s", name, error)
        self._opening = False

    def _answer(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            self.reload()
        else:
            self.stop()

    def _at_once(self, number: signal.Signals) -> None:
        if self._stop.is_set() and number is signal.SIGINT:
            # Whatever is half done is done again: nothing was committed for it.
            os._exit(SECOND_INTERRUPT)
        if self._opening and number is not signal.SIGHUP:
            self._opening = False
            raise _StoppedEarly

    def _keep_house(
        self,
        state: State,
        worker: Worker,
        scheduler: Scheduler,
        freshness: Freshness,
        reload: Reload,
        run_log: RunLog,
        library: Library,
    ) -> None:
        """Do what is to be done now and then, until asked to stop; a state that does not answer is asked again."""
        rest, measurement = HOUSEKEEPING_SECONDS, _Every(FRESHNESS_SECONDS)
        recovery, following = _Every(REPEAT_SECONDS), _Every(REPEAT_SECONDS)
        while not self._stop.wait(rest):
            rest = HOUSEKEEPING_SECONDS
            try:
                if scheduler.watch_clock():
                    # By the new time every lease looks expired; those who live renew theirs meanwhile.
                    recovery.postpone(self._lease_ttl.total_seconds())
                if self._changed.is_set():
                    self._changed.clear()
                    scheduler.update(state.jobs.list())
                worker.admit()
                run_log.flush()
                if recovery.is_due():
                    worker.recover()
                if following.is_due():
                    # Commands and other daemons on this state change jobs too.
                    scheduler.follow(state.jobs.list())
                    scheduler.repeat_missed()
                    library.refresh()
                if reload.follow(self._reload) or measurement.is_due():
                    freshness.measure_in_background()
            except SyncdError as error:
                log.error("syncd goes on when this does: %s", error)
                rest = REPEAT_SECONDS


def _listen(settings: Settings, state: State, stack: ExitStack) -> Server:
    server = Server(
        settings.server.host,
        settings.server.port,
        guarded=state.tokens.exist(),
        allow_remote=settings.server.allow_remote,
    )
    stack.callback(server.close)
    return server


def _log_of_runs(state: State, stack: ExitStack) -> RunLog:
    def keep(run: str, lines: Sequence[Line]) -> None:
        state.run_lines.append(int(run.removeprefix("run_")), [RunLine(*line) for line in lines])

    run_log = RunLog(keep)
    logging.getLogger().addHandler(run_log)
    stack.callback(logging.getLogger().removeHandler, run_log)
    return run_log


class _Every:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def is_due(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self.postpone(self._seconds)
        return True

    def postpone(self, seconds: float) -> None:
        self._next = time.monotonic() + seconds


def _unready(state: State) -> list[str]:
    try:
        state.ping()
    except SyncdError as error:
        return [str(error)]
    return []
