"""Brings one run of a job to its end: in this process, or in the daemon that owns the knowledge base."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from syncd.attempt import Stop
from syncd.cli.ownership import owning_daemon
from syncd.config.settings import Settings
from syncd.errors import Cancelled, InUse, SyncdError, WroteLate
from syncd.jobs import JobService
from syncd.model.job import Job, JobDefinition
from syncd.model.run import Lease, Run, RunOptions, RunStatus
from syncd.parts import Parts
from syncd.runner import LEASE_TTL, Runner
from syncd.state import State, is_alive, owner_id
from syncd.tally import Tally
from syncd.telemetry import bound
from syncd.testing.failpoints import failpoint
from syncd.triggers import Triggers, Wish

log = logging.getLogger(__name__)

POLL_SECONDS = 0.3
RELOAD_SECONDS = 5.0

Progress = Callable[[Tally], None]


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Execution:
    """Runs jobs now, one after the other.

    Args:
        settings: the configuration.
        state: where runs are queued and remembered.
        parts: opens knowledge bases; what is opened stays open.
        stop: asked to end what is going on at its next batch boundary.
    """

    def __init__(self, settings: Settings, state: State, parts: Parts, stop: Stop) -> None:
        self._settings = settings
        self._state = state
        self._parts = parts
        self._stop = stop
        self._jobs = JobService(state, now)
        self._triggers = Triggers(state, now)
        self._owner = owner_id()

    def prepare(self, names: Sequence[str]) -> None:
        """End what crashed before, and take the jobs from the configuration, unless a daemon does that already.

        Args:
            names: the jobs that shall run.

        Raises:
            NotFound: there is no job of one of these names.
        """
        self._state.leases.recover(now(), is_alive)
        configured = {name: self._settings.jobs[name] for name in names if name in self._settings.jobs}
        if any(self._is_with_daemon(target) for target in dict.fromkeys(job.kb_name for job in configured.values())):
            self._await(configured)
        else:
            self._jobs.reconcile(self._settings.jobs, self._settings.places)
        for name in names:
            self._state.jobs.get(name)

    def run(self, name: str, options: RunOptions, progress: Progress) -> Run:
        """Run a job now, and return the run as it ended.

        Args:
            name: the job.
            options: how the run differs from the job's habit.
            progress: told what is done so far.

        Raises:
            NotFound: there is no such job.
            Conflict: the job has ended.
            InUse: another command owns the knowledge base.
            LeaseLost: another process took the job over in the middle.
        """
        self._stop.check()
        job = self._state.jobs.get(name)
        self._in_daemon(job.definition.kb_name)
        # Whoever asks at a terminal means now.
        run = self._triggers.ask(job, Wish(replace(options, force=True)))
        try:
            return self._bring_to_end(job, run, progress)
        except InUse:
            self._state.runs.request_cancel(run.number, now())
            raise

    def _is_with_daemon(self, knowledge_base: str) -> bool:
        with suppress(InUse):
            return self._in_daemon(knowledge_base)
        return False

    def _await(self, definitions: Mapping[str, JobDefinition]) -> None:
        """Give a daemon the time to read a file that was changed a moment ago."""
        patience = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < patience:
            kept = {job.name: job.definition for job in self._state.jobs.list()}
            if all(kept.get(name) == definition for name, definition in definitions.items()):
                return
            time.sleep(POLL_SECONDS)
        log.warning("the daemon runs these jobs by another configuration than this one: %s", ", ".join(definitions))

    def _bring_to_end(self, job: Job, run: Run, progress: Progress) -> Run:
        asked = False
        while True:
            claimed = self._claim(job, run)
            if claimed is not None:
                return self._execute(*claimed, progress)
            run = self._state.runs.get(run.number)
            if not run.status.live:
                return run
            progress(_told(run))
            if self._stop.error is not None and not asked:
                asked = True
                self._state.runs.request_cancel(run.number, now())
            time.sleep(POLL_SECONDS)
            self._state.leases.recover(now(), is_alive)

    def _claim(self, job: Job, run: Run) -> tuple[Run, Lease] | None:
        """Take the run, unless somebody else does it: a daemon, or whoever runs this job at the moment."""
        if self._in_daemon(job.definition.kb_name):
            return None
        return self._state.leases.claim(self._owner, now(), LEASE_TTL, run.number)

    def _in_daemon(self, knowledge_base: str) -> bool:
        """Open a knowledge base before anything is begun; tell whether a daemon owns it (invariant 5).

        Raises:
            InUse: another command owns it.
        """
        try:
            return owning_daemon(self._parts, knowledge_base) is not None
        except InUse:
            raise
        except SyncdError:
            # The run meets it again, and records it.
            return False

    def _execute(self, run: Run, lease: Lease, progress: Progress) -> Run:
        runner = Runner(self._state, self._parts, now, failpoint(os.environ))
        with bound(run.job_name, run.id):
            try:
                ended = runner.execute(run, lease, self._stop, progress)
            except WroteLate:
                self._triggers.compare_again(run)
                raise
        self._state.runs.prune(run.job_id, self._settings.limits.keep_runs)
        return ended


def _told(run: Run) -> Tally:
    """Return what another process has said about a run so far."""
    done = run.counts.records_read
    total = round(done / run.progress) if run.progress else None
    return Tally(run.counts, dict(run.stages), total)


def asked_to_stop() -> Cancelled:
    """Return the reason that a run carries when it was ended from the keyboard."""
    return Cancelled("it was interrupted; the next run goes on from its checkpoint")


def succeeded(run: Run) -> bool:
    """Tell whether a run did all that it was to do, with no row left over."""
    return run.status is RunStatus.COMPLETED
