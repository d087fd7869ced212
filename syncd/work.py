"""What can be done with a job's parts once they are open: a pass, a sweep, a repair, a replay, a verification."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from syncd.model.job import JobDefinition
from syncd.model.run import Checkpoint, RunOptions
from syncd.model.watermark import Watermark
from syncd.pipeline import Commit, Pipeline
from syncd.ports import Source
from syncd.reconcile.examine import Examiner
from syncd.reconcile.orphans import Orphans
from syncd.reconcile.repair import Repair
from syncd.reconcile.reread import Reread
from syncd.reconcile.rows import InStep, Portion, Saving
from syncd.reconcile.sweep import Sweep
from syncd.reconcile.verify import Verify
from syncd.shelf import Target
from syncd.tally import Hooks, Tally
from syncd.writer import Writer


@dataclass(frozen=True, slots=True)
class Work:
    """A job with its parts.

    Args:
        job: what is kept in step.
        source, target: the parts, open.
        commit: saves checkpoints, counts and rows that failed.
        dead_keys: the keys that are in the job's dead letters now.
        tally: counts what is done.
    """

    job: JobDefinition
    source: Source
    target: Target
    commit: Commit
    dead_keys: frozenset[str]
    tally: Tally
    hooks: Hooks

    def pass_over(self, known: Checkpoint | None, options: RunOptions) -> Checkpoint:
        """Read what is new, as `Pipeline.run` does."""
        pipeline = Pipeline(
            self.source,
            self.target.chunker,
            self.target.embedder,
            self.target.knowledge_base,
            commit=self.commit,
            meaning=self.job.meaning(),
            dead_keys=self.dead_keys,
            hooks=self.hooks,
            recall=self.target.recall,
        )
        return pipeline.run(known, options, self.tally)

    def sweep(self, reached: Checkpoint, approved: int) -> None:
        """Sync whatever differs, and remove what has no row, as `Sweep.run` does.

        Args:
            approved: how many documents may be removed whatever share of all they are.
        """
        writer = self._writer("swept")
        self._sweep(InStep(self.target.knowledge_base, writer, self.tally), writer, approved).run(reached)

    def repair(self, known: Checkpoint | None, approved: int) -> None:
        """Mend whatever a verification finds, and remove what has no row, as `Repair` and `Sweep.run` do."""
        writer = self._writer("swept")
        verify = self.verify(None if known is None else known.watermark)
        repair = Repair(verify, self.target.knowledge_base, writer, self.tally)
        self._sweep(repair, writer, approved).run(known or self._nothing_read())

    def replay(self, known: Checkpoint | None, keys: Collection[str]) -> None:
        """Read the rows of these dead letters once more, as `Reread.run` does."""
        writer = self._writer("records_read")
        kb = self.target.knowledge_base
        in_step = InStep(kb, writer, self.tally)
        reread = Reread(self.job, self.source, kb, in_step, writer, self._saving(), self.hooks)
        reread.run(keys, known or self._nothing_read(), self.tally)

    def verify(self, watermark: Watermark | None) -> Verify:
        """Return what compares everything and changes nothing.

        Args:
            watermark: how far the job has read; None before its first run.
        """
        return Verify(
            self.job,
            self.source,
            self.target.knowledge_base,
            Examiner(self.target.chunker, self.target.knowledge_base),
            watermark=watermark,
            dead_keys=self.dead_keys,
            boundary=self.hooks.boundary,
        )

    def _nothing_read(self) -> Checkpoint:
        return Checkpoint(Watermark(), self.job.meaning(), self.target.knowledge_base.identity())

    def _writer(self, rows: Literal["records_read", "swept"]) -> Writer:
        target = self.target
        parts = (target.chunker, target.embedder, target.knowledge_base)
        return Writer(*parts, self.hooks, self.tally, rows, target.recall)

    def _saving(self) -> Saving:
        return Saving(self.target.knowledge_base, self.commit, self.dead_keys, self.tally, self.hooks)

    def _sweep(self, portion: Portion, writer: Writer, approved: int) -> Sweep:
        kb = self.target.knowledge_base
        orphans = Orphans(self.job, self.source, kb, writer, approved=approved, hooks=self.hooks)
        return Sweep(self.job, self.source, portion, orphans, self._saving(), self.hooks)
