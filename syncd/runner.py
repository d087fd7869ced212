"""One run's life: open the parts, try and try again, stop when asked, record the end."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from datetime import datetime, timedelta

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from syncd.attempt import Attempt, Stop
from syncd.errors import Cancelled, LeaseLost, PermanentError, SyncdError, TimedOut, TransientError
from syncd.fenced import Proof
from syncd.model.job import Job
from syncd.model.run import Counts, Lease, Run, RunStatus
from syncd.parts import Parts
from syncd.state import State
from syncd.tally import Tally

log = logging.getLogger(__name__)

LEASE_TTL = timedelta(seconds=30)


class Runner:
    """Executes claimed runs.

    Args:
        state: where runs, leases and checkpoints are.
        parts: opens sources and knowledge bases.
        clock: tells the time, aware and in UTC.
        reached: see `Hooks`.
        lease_ttl: how long a lease lasts when nobody renews it.
        pause: waits between two attempts, for some seconds or until the event is set.
    """

    def __init__(
        self,
        state: State,
        parts: Parts,
        clock: Callable[[], datetime],
        reached: Callable[[str], None] = lambda step: None,
        *,
        lease_ttl: timedelta = LEASE_TTL,
        pause: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self._state = state
        self._parts = parts
        self._clock = clock
        self._reached = reached
        self._pause = pause
        self.lease_ttl = lease_ttl

    def execute(
        self, run: Run, lease: Lease, stop: Stop, progress: Callable[[Tally], None] = lambda tally: None
    ) -> Run:
        """Bring a claimed run to its end, and return it as it ended.

        Args:
            run: the run, as claimed.
            lease: the proof that it is ours.
            stop: asked to end the run early.
            progress: told after each batch what is done so far.

        Raises:
            LeaseLost: another process took the job over; that process records what happens.
            WroteLate: the same, and this run may have written after that.
        """
        tally = Tally()
        proof = Proof(lease, lambda: self._state.leases.renew(lease, self._clock(), self.lease_ttl))
        job = self._state.jobs.by_id(run.job_id)
        log.info("run started (%s)", run.trigger)
        with self._heartbeat(lease, stop):
            error = self._attempts(job, run, proof, stop, tally, progress)
        if isinstance(error, LeaseLost):
            raise proof.lost(error)
        if isinstance(error, PermanentError) and not run.options.dry_run:
            self._state.jobs.block(job.id, str(error), self._clock())
        elif error is None and not run.options.replay:
            self._unblock(job)
        known = tally.watermark.value is not None and run.options.moves_watermark
        watermark = str(tally.watermark) if known else None
        try:
            return self._finish(run, lease, _status(error, tally), error, tally.counts, tally.stages, watermark)
        except LeaseLost as lost:
            raise proof.lost(lost) from lost

    def _unblock(self, job: Job) -> None:
        """Take back what a run before could not do, unless a sweep still waits for somebody's word."""
        sweep = self._state.sweeps.get(job.id)
        waits = None if sweep is None else sweep.withheld
        if waits is not None:
            self._state.jobs.block(job.id, waits, self._clock())
        elif job.blocked is not None:
            self._state.jobs.unblock(job.id, self._clock())

    def abandon(self, run: Run, lease: Lease, reason: SyncdError) -> Run:
        """End a run whose thread does not come back, and return it; nothing that it still does can be committed.

        Args:
            run: the run, as claimed.
            lease: the proof that it is ours.
            reason: why it ends.

        Raises:
            LeaseLost: it has ended meanwhile.
        """
        known = self._state.runs.get(run.number)
        return self._finish(run, lease, RunStatus.CANCELED, reason, known.counts, known.stages, known.watermark)

    def _finish(
        self,
        run: Run,
        lease: Lease,
        status: RunStatus,
        error: SyncdError | None,
        counts: Counts,
        stages: Mapping[str, float],
        watermark: str | None,
    ) -> Run:
        told = None if error is None else str(error)
        ended = self._state.runs.finish(
            lease,
            run.number,
            status,
            counts=counts,
            stages=stages,
            watermark=watermark,
            error=told,
            now=self._clock(),
        )
        _report(ended)
        return ended

    def _attempts(
        self, job: Job, run: Run, proof: Proof, stop: Stop, tally: Tally, progress: Callable[[Tally], None]
    ) -> SyncdError | None:
        def wait(seconds: float) -> None:
            self._pause(stop.event, seconds)
            stop.check()

        def announce(call: RetryCallState) -> None:
            cause = call.outcome.exception() if call.outcome else None
            log.warning(
                "attempt %s failed and will be repeated in %.0f s: %s", call.attempt_number, call.upcoming_sleep, cause
            )
            again = self._clock() + timedelta(seconds=call.upcoming_sleep)
            self._save_progress(run, proof.lease, call.attempt_number, tally, again)

        retrying = Retrying(
            stop=stop_after_attempt(job.definition.max_attempts),
            # Jitter spreads attempts; nothing secret hangs on it.
            wait=lambda call: job.definition.retry_delay(call.attempt_number, random.random()),  # noqa: S311
            retry=retry_if_exception_type(TransientError),
            sleep=wait,
            before_sleep=announce,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    report = self._reporter(run, proof.lease, attempt.retry_state.attempt_number, progress)
                    report(tally)
                    Attempt(
                        self._state, self._parts, self._clock, self._reached, job, run, proof, stop, tally, report
                    ).make()
        except SyncdError as error:
            return error
        except Exception as error:
            log.exception("the run met an error that syncd does not know")
            return SyncdError(f"unexpected {type(error).__name__}: {error}", "the log has the whole story")
        return None

    def _reporter(
        self, run: Run, lease: Lease, attempt: int, progress: Callable[[Tally], None]
    ) -> Callable[[Tally], None]:
        """Return a hook that passes progress on each time and saves it about once a second."""
        saved = float("-inf")

        def report(tally: Tally) -> None:
            nonlocal saved
            progress(tally)
            if time.monotonic() - saved < 1.0:
                return
            saved = time.monotonic()
            self._save_progress(run, lease, attempt, tally)

        return report

    def _save_progress(
        self, run: Run, lease: Lease, attempt: int, tally: Tally, next_retry_at: datetime | None = None
    ) -> None:
        self._state.runs.progress(
            lease,
            run.number,
            counts=tally.counts,
            stages=tally.stages,
            progress=tally.progress,
            attempt=attempt,
            now=self._clock(),
            next_retry_at=next_retry_at,
        )

    @contextmanager
    def _heartbeat(self, lease: Lease, stop: Stop) -> Iterator[None]:
        """Keep the lease while the run goes on, and pass a request to cancel on to it."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.lease_ttl.total_seconds() / 15):
                try:
                    status = self._state.leases.renew(lease, self._clock(), self.lease_ttl)
                except LeaseLost as error:
                    stop.ask(error)
                    return
                except SyncdError as error:
                    # The commit checks the lease again, so a beat that was missed does no harm.
                    log.warning("the lease could not be renewed: %s", error)
                    continue
                if status is RunStatus.CANCELING:
                    stop.ask(Cancelled("the run was canceled"))

        # In this context, its lines carry the job and the run too.
        thread = threading.Thread(
            target=copy_context().run, args=(beat,), name=f"heartbeat-{lease.job_id}", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _status(error: SyncdError | None, tally: Tally) -> RunStatus:
    """Say how a run ended; it is completed only when the pipeline went through every row it read (invariant 8)."""
    match error:
        case None if tally.counts.dead_lettered:
            return RunStatus.COMPLETED_WITH_WARNINGS
        case None:
            return RunStatus.COMPLETED
        case TimedOut():
            return RunStatus.TIMED_OUT
        case Cancelled():
            return RunStatus.CANCELED
        case _:
            return RunStatus.FAILED


def _report(run: Run) -> None:
    counts = run.counts
    besides = {"recalled": counts.recalled, "swept": counts.swept, "repaired": counts.repaired}
    beside = "".join(f"{count} {what}, " for what, count in besides.items() if count)
    done = (
        f"{counts.records_read} read, {counts.embedded} embedded, {beside}"
        f"{counts.metadata_updated} metadata updated, {counts.unchanged} unchanged, "
        f"{counts.deleted} deleted, {counts.dead_lettered} dead-lettered"
    )
    seconds = f"{run.seconds:.1f} s" if run.seconds is not None else "?"
    if run.error is None:
        log.info("run %s in %s: %s", run.status, seconds, done)
    else:
        log.log(
            logging.INFO if run.status is RunStatus.CANCELED else logging.ERROR, "run %s: %s", run.status, run.error
        )
