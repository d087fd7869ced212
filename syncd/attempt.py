"""One attempt at a run: the parts are opened, the pipeline runs, a sweep follows when one is due, and a swap."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.errors import Cancelled, PermanentError, SyncdError, TimedOut, WindowClosed
from syncd.fenced import Fenced, Proof
from syncd.flood import FloodGuard
from syncd.model.generation import Generation
from syncd.model.job import Job
from syncd.model.record import Reject
from syncd.model.run import Checkpoint, Run, Trigger
from syncd.parts import Parts
from syncd.pipeline import mismatch
from syncd.ports import Source
from syncd.reconcile.orphans import TooMany
from syncd.rehearsal import Rehearsal
from syncd.shelf import Target
from syncd.state import State
from syncd.swap import is_complete
from syncd.tally import Hooks, Tally
from syncd.work import Work

log = logging.getLogger(__name__)

OLDER_COPY = "the knowledge base is an older copy"
RESTORED = "the state was restored, and the knowledge base has moved on since"
_BY_HAND = (Trigger.MANUAL, Trigger.API)


@dataclass(slots=True)
class Stop:
    """Asks a run to end at its next batch boundary (invariant 6); the first reason given counts."""

    event: threading.Event = field(default_factory=threading.Event)
    error: SyncdError | None = None

    def ask(self, error: SyncdError) -> None:
        """Ask with a reason, as the error that the run ends with."""
        if self.error is None:
            self.error = error
        self.event.set()

    def check(self) -> None:
        """Raise the reason, if one was given."""
        if self.error is not None:
            raise self.error


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a claimed run.

    Args:
        state: where checkpoints, sweeps and dead letters are.
        parts: opens sources and knowledge bases.
        clock: tells the time, aware and in UTC.
        reached: see `Hooks`.
        job, run: what is run, as claimed.
        proof: that the run holds its lease.
        stop: asked to end the run early.
        tally: counts what is done.
        report: told after each batch.
    """

    state: State
    parts: Parts
    clock: Callable[[], datetime]
    reached: Callable[[str], None]
    job: Job
    run: Run
    proof: Proof
    stop: Stop
    tally: Tally
    report: Callable[[Tally], None]

    def make(self) -> None:
        """Run the pipeline to its end, and sweep when that is due.

        Raises:
            SyncdError: why it came to no end; what was committed stays.
        """
        boundary = self._boundary()
        boundary()
        hooks = Hooks(boundary, self.report, self.reached)
        source = self.parts.source(self.job.definition.bound(self.run.options.variables))
        try:
            with self.parts.target(self.job.definition.kb_name) as target:
                self._synchronise(source, target, hooks)
                if target.filling is not None and not self.run.options.dry_run:
                    self._swap(target.filling)
        finally:
            source.close()

    def _swap(self, filling: Generation) -> None:
        """Let the generation that was filled take the old one's place, if no job has anything left to add."""
        name = self.job.definition.kb_name
        if not is_complete(self.state, name, filling, self.clock()):
            return
        self.reached("complete")
        with self.parts.shelf(name) as shelf:
            swapped = shelf.swap(filling.uuid)
        self.reached("swapped")
        if swapped:
            log.info("a new generation of the knowledge base %s is complete, and is searched from now on", name)

    def _synchronise(self, source: Source, target: Target, hooks: Hooks) -> None:
        begun = self.clock()
        kb, options = target.knowledge_base, self.run.options
        dead_keys = self.state.dead_letters.keys(self.job.id)
        work = Work(
            self.job.definition,
            source,
            replace(target, knowledge_base=Rehearsal(kb) if options.dry_run else Fenced(kb, self.proof)),
            commit=self._commit,
            dead_keys=dead_keys,
            tally=self.tally,
            hooks=replace(hooks, flood=FloodGuard(self.job.definition.max_dead_letters, dead_keys)),
        )
        known = self._checkpoint(target)
        if options.replay:
            work.replay(known, options.keys or dead_keys)
            return
        if options.repair:
            self._sweep(lambda: work.repair(known, self._approved()), begun)
            return
        reached = work.pass_over(known, options)
        if self._sweep_is_due(begun):
            self._sweep(lambda: work.sweep(reached, self._approved()), begun)

    def _sweep(self, sweep: Callable[[], None], begun: datetime) -> None:
        try:
            sweep()
        except TooMany as found:
            if not self.run.options.dry_run:
                self.state.sweeps.withhold(self.proof.lease, begun, found.orphans, found.documents)
            raise PermanentError(found.told) from None
        if not self.run.options.dry_run:
            self.state.sweeps.done(self.proof.lease, begun)

    def _approved(self) -> int:
        last = self.state.sweeps.get(self.job.id)
        return 0 if last is None else last.approved

    def _sweep_is_due(self, now: datetime) -> bool:
        options = self.run.options
        if options.sweep or not options.moves_watermark or options.limit is not None:
            return options.sweep
        last = self.state.sweeps.get(self.job.id)
        return self.job.definition.sweep_is_due(None if last is None else last.swept_at, now)

    def _commit(self, checkpoint: Checkpoint, tally: Tally, rejects: Sequence[Reject], resolved: Sequence[str]) -> None:
        options = self.run.options
        if options.dry_run:
            return
        self.state.checkpoints.commit(
            self.proof.lease,
            self.run.number,
            checkpoint,
            moves_watermark=options.moves_watermark,
            counts=tally.counts,
            stages=tally.stages,
            rejects=rejects,
            resolved=resolved,
            now=self.clock(),
        )
        self.proof.proven()

    def _boundary(self) -> Callable[[], None]:
        """Return what ends the attempt between two batches, when there is a reason to."""
        definition = self.job.definition
        deadline = time.monotonic() + definition.time_limit.total_seconds()
        end = None if self.run.trigger in _BY_HAND else definition.schedule.stop_of(self.run.scheduled_at)

        def boundary() -> None:
            if not self.run.options.force and definition.opening(now := self.clock()) > now:
                self.stop.ask(WindowClosed("the execution window has closed; the run goes on when it opens again"))
            self.stop.check()
            if time.monotonic() > deadline:
                raise TimedOut(f"the attempt took longer than {definition.timeout}")
            if end is not None and self.clock() > end:
                raise Cancelled("end_time was reached")

        return boundary

    def _checkpoint(self, target: Target) -> Checkpoint | None:
        """Return the job's checkpoint if it still applies; if not, say so and start from the beginning."""
        checkpoints = self.state.checkpoints
        newest = checkpoints.newest_epoch(target.knowledge_base.identity().uuid)
        # Read after the epochs, not before: another job may advance it at any time.
        identity = target.knowledge_base.identity()
        # Now, for all jobs: once this run has written, the others could not tell any more.
        if identity.epoch < newest:
            log.warning("%s: every table that fills it is compared from the beginning", OLDER_COPY)
            checkpoints.reset_ahead_of(identity, OLDER_COPY, self.clock())
        elif checkpoints.reset_restored(identity, RESTORED, self.clock()):
            log.warning("%s: every table that fills it is compared from the beginning", RESTORED)
        checkpoint = checkpoints.get(self.job.id)
        meaning = self.job.definition.meaning()
        reason = None if checkpoint is None else mismatch(checkpoint, meaning, identity)
        if reason is None:
            return checkpoint
        if target.filling is not None:
            reason = f"a new generation is being filled ({reason})"
        log.warning("%s: the table is compared from the beginning, and only what is missing is embedded", reason)
        checkpoints.reset(self.job.id, meaning, identity, reason, self.clock())
        return checkpoints.get(self.job.id)
