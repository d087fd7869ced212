"""Answers what people ask about a job: what its next run will do, what differs, why a row is there or is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from syncd.model.inspection import Difference, Explanation, Plan, Verification
from syncd.model.job import Job
from syncd.model.record import Reject
from syncd.model.run import Checkpoint, RunOptions
from syncd.model.watermark import Watermark
from syncd.parts import Parts
from syncd.pipeline import mismatch
from syncd.ports import KnowledgeBase, Source
from syncd.reconcile.orphans import TooMany
from syncd.reconcile.plan import Estimator
from syncd.reconcile.why import explain
from syncd.rehearsal import Rehearsal
from syncd.shelf import Target
from syncd.state import State
from syncd.tally import Hooks, Tally
from syncd.work import Work

WRITE_SECONDS = 0.002
"""How long a store takes to write a chunk, where no run has shown it yet."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Looks, and changes nothing.

    Args:
        state: jobs, checkpoints, sweeps and dead letters.
        parts: opens sources and knowledge bases.
        clock: tells the time, aware and in UTC.
    """

    state: State
    parts: Parts
    clock: Callable[[], datetime]

    def plan(self, job: Job, boundary: Callable[[], None] = lambda: None) -> Plan:
        """Predict what the job's next run will do, and how long it will take.

        It reads, compares and splits as that run will, and embeds a sample of at most 33 texts.

        Args:
            boundary: called between batches; raises to stop there.

        Raises:
            SyncError: as the run would.
        """
        begun = time.perf_counter()
        tally = Tally()
        with self._open(job) as (source, target):
            known, reason = self._known(job, target.knowledge_base)
            last = self.state.sweeps.get(job.id)
            sweeps = job.definition.sweep_is_due(None if last is None else last.swept_at, self.clock())
            estimator = Estimator(target.embedder)
            rehearsed = replace(
                target, embedder=estimator, knowledge_base=Rehearsal(target.knowledge_base, remember=sweeps)
            )
            work = self._work(job, source, rehearsed, tally, boundary)
            reached = work.pass_over(known, RunOptions())
            withheld = None
            if sweeps:
                try:
                    work.sweep(reached, 0 if last is None else last.approved)
                except TooMany as found:
                    withheld = found.told
        looked = time.perf_counter() - begun - tally.stages.get("embed", 0.0)
        seconds = looked + estimator.seconds + tally.counts.chunks * self._write_seconds(job)
        return Plan(tally.counts, sweeps, withheld, reason, seconds)

    def verify(self, job: Job, boundary: Callable[[], None] = lambda: None) -> Iterator[Difference | Verification]:
        """Compare the job's table with its knowledge base, as `Verify.run` does.

        Args:
            boundary: called between portions; raises to stop there.

        Raises:
            SyncError: as the parts raise.
        """
        with self._open(job) as (source, target):
            known, _ = self._known(job, target.knowledge_base)
            verify = self._work(job, source, target, Tally(), boundary).verify(
                None if known is None else known.watermark
            )
            yield from verify.run()

    def why(self, job: Job, key: str) -> Explanation:
        """Tell how the row with a key stands.

        Args:
            key: as documents' ids end with it; for a key of one column also as the database shows the value.

        Raises:
            Invalid: it cannot be a key of the job's table.
            SyncError: as the parts raise.
        """
        with self._open(job) as (source, target):
            known, _ = self._known(job, target.knowledge_base)
            return explain(
                job.definition,
                source,
                target.knowledge_base,
                None if known is None else known.watermark,
                key,
                lambda encoded: self.state.dead_letters.reason(job.id, encoded),
            )

    @contextmanager
    def _open(self, job: Job) -> Iterator[tuple[Source, Target]]:
        with closing(self.parts.source(job.definition)) as source, self.parts.target(job.definition.kb_name) as target:
            yield source, target

    def _work(self, job: Job, source: Source, target: Target, tally: Tally, boundary: Callable[[], None]) -> Work:
        dead_keys = self.state.dead_letters.keys(job.id)
        return Work(job.definition, source, target, _keep_nothing, dead_keys, tally, Hooks(boundary))

    def _known(self, job: Job, knowledge_base: KnowledgeBase) -> tuple[Checkpoint | None, str | None]:
        """Return the checkpoint that a run would begin with, and why that is not the one that is saved."""
        identity, meaning = knowledge_base.identity(), job.definition.meaning()
        checkpoint = self.state.checkpoints.get(job.id)
        if checkpoint is None:
            return None, None
        reason = mismatch(checkpoint, meaning, identity)
        if reason is None and self.state.checkpoints.is_outdated(identity):
            reason = "the state and the knowledge base are not of the same moment"
        return (checkpoint, None) if reason is None else (Checkpoint(Watermark(), meaning, identity), reason)

    def _write_seconds(self, job: Job) -> float:
        """Return how long the job's last run that wrote took for a chunk."""
        last = self.state.runs.last_successful(job.id)
        if last is None or not last.counts.chunks:
            return WRITE_SECONDS
        return (last.stages.get("write", 0.0) + last.stages.get("commit", 0.0)) / last.counts.chunks


def _keep_nothing(checkpoint: Checkpoint, tally: Tally, rejects: Sequence[Reject], resolved: Sequence[str]) -> None:
    """Commit nothing."""
