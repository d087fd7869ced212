"""A sweep: the whole table is compared with the knowledge base, and what has no row any more is removed."""

from __future__ import annotations

from collections.abc import Collection

from syncd.model.identity import key_of
from syncd.model.job import JobDefinition
from syncd.model.record import Record
from syncd.model.run import Checkpoint
from syncd.ports import UNIDENTIFIED, Source
from syncd.reconcile.orphans import Orphans
from syncd.reconcile.rows import Outcome, Portion, Saving, portions, readable, unread
from syncd.reconcile.seen import Seen
from syncd.tally import Hooks


class Sweep:
    """Goes through everything, in portions, whatever the watermark says, and leaves the watermark where it is.

    Args:
        job: whose table it is.
        source: open.
        portion: what is done with the rows that are there.
        orphans: what is done with the documents that have none.
        saving: saves what came of it.
    """

    def __init__(
        self,
        job: JobDefinition,
        source: Source,
        portion: Portion,
        orphans: Orphans,
        saving: Saving,
        hooks: Hooks = Hooks(),
    ) -> None:
        self._job = job
        self._source = source
        self._portion = portion
        self._orphans = orphans
        self._saving = saving
        self._hooks = hooks

    def run(self, checkpoint: Checkpoint) -> None:
        """Sweep the table.

        Args:
            checkpoint: where the pass before has come to.

        Raises:
            TooMany: too much has no row any more; the rows that are there are in step, and nothing was removed.
            SyncError: as the parts raise; what was done stays done.
        """
        failed: set[str] = set()
        seen = Seen()
        for portion in self._source.scan(checkpoint.watermark):
            self._hooks.boundary()
            seen.add(standing.row.document_id for standing in portion if isinstance(standing.row, Record))
            failed.update(reject.key for reject in unread(portion))
            checkpoint = self._saving.do(self._portion, portion, checkpoint)
        for gone in self._orphans.remove(seen):
            checkpoint = self._saving.save(Outcome(bool(gone), settled=frozenset(map(key_of, gone))), checkpoint)
        self._saving.save(Outcome(written=False, settled=self._without_row(failed)), checkpoint)

    def _without_row(self, failed: Collection[str]) -> set[str]:
        """Return the dead letters whose rows are gone, so that there is nothing to be mended.

        Args:
            failed: the keys of the rows that could not be read just now.
        """
        gone: set[str] = set()
        dead_keys = self._saving.dead_keys
        keys = readable(dead_keys)
        for ids in portions(keys, self._job.source_table):
            self._hooks.boundary()
            gone.update(map(key_of, set(ids) - self._source.present(ids)))
        # By the others no row can be asked for: it is gone when the whole table was read without meeting it.
        if len(set(failed) - readable(failed)) < UNIDENTIFIED:
            gone.update(dead_keys.difference(keys, failed))
        return gone
