"""Takes queued runs and has them executed, a bounded number at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from syncd.admission import Admission
from syncd.attempt import Stop
from syncd.errors import Cancelled, LeaseLost, SyncdError, WindowClosed, WroteLate
from syncd.model.run import Lease, Run, RunStatus
from syncd.runner import Runner
from syncd.state import Bounds, State, is_alive
from syncd.triggers import LATE_WRITE, Triggers

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
REPEAT_SECONDS = 5.0
# Less than the ten seconds that container engines wait before they kill.
STOP_SECONDS = 6.0


class _Stopped(Cancelled):
    def __init__(self) -> None:
        super().__init__("syncd was stopped; the run goes on from its checkpoint after the next start")


@dataclass(frozen=True, slots=True)
class _Going:
    run: Run
    lease: Lease
    stop: Stop = field(default_factory=Stop)


class Worker:
    """Executes queued runs in threads of its own.

    Args:
        state: the queue.
        triggers: asked for a run in place of one that was cut off.
        admission: lets runs begin.
        runner: executes.
        owner: the name under which leases are taken.
        concurrency: how many runs go on at once.
        bounds: how many of them may use one database or one knowledge base.
        keep_runs: how many finished runs of a job are remembered.
        clock: tells the time, aware and in UTC.
        bound: puts job and run on every line that is logged inside.
        finished: told of every run that ended here.
    """

    def __init__(
        self,
        state: State,
        triggers: Triggers,
        admission: Admission,
        runner: Runner,
        *,
        owner: str,
        concurrency: int,
        bounds: Bounds = Bounds(),
        keep_runs: int,
        clock: Callable[[], datetime],
        bound: Callable[[str, str], AbstractContextManager[None]],
        finished: Callable[[Run], None],
    ) -> None:
        self._state = state
        self._triggers = triggers
        self._admission = admission
        self._bounds = bounds
        self._runner = runner
        self._owner = owner
        self._keep_runs = keep_runs
        self._clock = clock
        self._bound = bound
        self._finished = finished
        self._stopping = threading.Event()
        self._wake = threading.Condition()
        self._going: dict[int, _Going] = {}
        self._late: deque[Run] = deque()
        self._comparing = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True) for number in range(concurrency)
        ]

    def start(self) -> None:
        """Begin to take runs."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for queued runs now rather than at the next poll."""
        with self._wake:
            self._wake.notify_all()

    def admit(self) -> None:
        """Let those runs begin whose time has come, and end those that have expired."""
        for run in self._admission.review():
            self._finished(run)
        self.wake()

    def recover(self) -> None:
        """Find runs whose process died, and queue a run in place of each."""
        self._compare_late()
        for run in self._state.leases.recover(self._clock(), is_alive):
            with self._bound(run.job_name, run.id):
                log.warning("the run was cut off (%s); the next one goes on from its checkpoint", run.error)
                self._finished(run)
                self._triggers.recover(run)

    def stop(self, patience: float = STOP_SECONDS) -> bool:
        """Take no more runs, and end those that go on at their next batch boundary.

        One that comes to none in time, since its source is slow or its model loads, is ended without it.

        Args:
            patience: how long to wait for batch boundaries, in seconds.

        Returns:
            Whether all threads have ended; those that have not may still use what they were given.
        """
        self._stopping.set()
        for going in list(self._going.values()):
            going.stop.ask(_Stopped())
        self.wake()
        until = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for going in list(self._going.values()):
            self._abandon(going)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while not self._stopping.is_set():
            rest = POLL_SECONDS
            try:
                claimed = self._state.leases.claim(
                    self._owner, self._clock(), self._runner.lease_ttl, bounds=self._bounds
                )
                if claimed is not None:
                    self._execute(_Going(*claimed))
                    continue
            except SyncdError as error:
                log.error("runs wait: %s", error)
                rest = REPEAT_SECONDS
            except Exception:
                log.exception("a run could not be recorded")
                rest = REPEAT_SECONDS
            with self._wake:
                if not self._stopping.is_set():
                    self._wake.wait(rest)

    def _execute(self, going: _Going) -> None:
        run = going.run
        self._going[run.number] = going
        if self._stopping.is_set():
            going.stop.ask(_Stopped())
        with self._bound(run.job_name, run.id):
            try:
                self._ended(self._runner.execute(run, going.lease, going.stop), going)
                self._state.runs.prune(run.job_id, self._keep_runs)
            except WroteLate as error:
                log.warning("%s: %s; the whole table is compared", error, LATE_WRITE)
                self._late.append(run)
                self._compare_late()
            except LeaseLost as error:
                log.warning("%s", error)
            finally:
                del self._going[run.number]

    def _compare_late(self) -> None:
        """Have the tables compared that runs wrote into too late; what the state does not take now it is told again."""
        with self._comparing:
            while self._late:
                self._triggers.compare_again(self._late[0])
                self._late.popleft()

    def _abandon(self, going: _Going) -> None:
        with self._bound(going.run.job_name, going.run.id):
            try:
                self._ended(self._runner.abandon(going.run, going.lease, _Stopped()), going)
            except LeaseLost:
                log.debug("the run came to its end just in time")
            except SyncdError as error:
                log.error("the run's end could not be recorded, the next start will find it: %s", error)

    def _ended(self, run: Run, going: _Going) -> None:
        self._finished(run)
        if run.status is RunStatus.CANCELED and isinstance(going.stop.error, _Stopped | WindowClosed):
            self._triggers.recover(run)
        # Others may have waited for this one to run.
        self.admit()
