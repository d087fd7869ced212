"""What can be done with a job's parts once they are open: a pass, a sweep, a repair, a verification."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.model.job import JobDefinition
from syncd.model.run import Checkpoint, RunOptions
from syncd.model.watermark import Watermark
from syncd.parts import Target
from syncd.pipeline import Commit, Pipeline
from syncd.ports import Source
from syncd.reconcile.examine import Examiner
from syncd.reconcile.orphans import Orphans
from syncd.reconcile.repair import Repair
from syncd.reconcile.sweep import InStep, Portion, Sweep
from syncd.reconcile.verify import Verify
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
        )
        return pipeline.run(known, options, self.tally)

    def sweep(self, reached: Checkpoint, approved: int) -> None:
        """Sync whatever differs, and remove what has no row, as `Sweep.run` does.

        Args:
            approved: how many documents may be removed whatever share of all they are.
        """
        writer = self._writer()
        self._sweep(InStep(self.target.knowledge_base, writer, self.tally), writer, approved).run(reached)

    def repair(self, known: Checkpoint | None, approved: int) -> None:
        """Mend whatever a verification finds, and remove what has no row, as `Repair` and `Sweep.run` do."""
        checkpoint = known or Checkpoint(Watermark(), self.job.meaning(), self.target.knowledge_base.identity())
        writer = self._writer()
        verify = self.verify(None if known is None else known.watermark)
        repair = Repair(verify, self.target.knowledge_base, writer, self.tally)
        self._sweep(repair, writer, approved).run(checkpoint)

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

    def _writer(self) -> Writer:
        parts = (self.target.chunker, self.target.embedder, self.target.knowledge_base)
        return Writer(*parts, self.hooks, self.tally, rows="swept")

    def _sweep(self, portion: Portion, writer: Writer, approved: int) -> Sweep:
        lent = (self.source, self.target.knowledge_base)
        return Sweep(
            *lent,
            portion,
            Orphans(self.job, *lent, writer, approved=approved, hooks=self.hooks),
            commit=self.commit,
            dead_keys=self.dead_keys,
            tally=self.tally,
            hooks=self.hooks,
        )
