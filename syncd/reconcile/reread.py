"""A replay: rows that could not be synced are read once more by their keys, and the watermark stays where it is."""

from __future__ import annotations

import logging
from collections.abc import Collection

from syncd.model.deletes import GUARDED_FROM
from syncd.model.identity import key_of
from syncd.model.job import JobDefinition
from syncd.model.record import Reject
from syncd.model.run import Checkpoint
from syncd.ports import KnowledgeBase, Source
from syncd.reconcile.rows import Rows, portions, readable
from syncd.tally import Hooks, Tally

log = logging.getLogger(__name__)

UNREADABLE = (
    "no row can be read by such a key; once it has one, a sweep or `syncd dead-letters discard` takes the letter out"
)


class Reread:
    """Reads rows by their keys, and does with them what a run would.

    A row that is gone has nothing to be mended: its dead letter goes. Its document stays, unless the job sweeps its
    table: then it goes too, as long as there are so few that a sweep would not ask before it removes them.

    Args:
        job: whose table it is.
        source, knowledge_base: the parts, open.
        rows: brings documents in step with rows.
    """

    def __init__(
        self, job: JobDefinition, source: Source, knowledge_base: KnowledgeBase, rows: Rows, hooks: Hooks = Hooks()
    ) -> None:
        self._job = job
        self._source = source
        self._kb = knowledge_base
        self._rows = rows
        self._hooks = hooks

    def run(self, keys: Collection[str], checkpoint: Checkpoint, tally: Tally) -> Checkpoint:
        """Read the rows of these keys, and return the checkpoint with the knowledge base's identity after that.

        Args:
            keys: as dead letters name them; a row whose key is NULL or no valid text cannot be asked for, and stays.
            checkpoint: where the pass before has come to.
            tally: counts what is done, also when this raises.

        Raises:
            SyncError: as the parts raise; what was done stays done.
        """
        known = readable(keys)
        if unknown := sorted(set(keys) - known):
            log.warning("%s dead letters stay, such as %s: %s", len(unknown), unknown[0], UNREADABLE)
        tally.total = len(known)
        for ids in portions(known, self._job.source_table):
            self._hooks.boundary()
            checkpoint = self._read(ids, checkpoint, tally)
        return checkpoint

    def _read(self, ids: list[str], checkpoint: Checkpoint, tally: Tally) -> Checkpoint:
        with tally.timed("read"):
            portion = self._source.rows(ids, checkpoint.watermark)
        self._hooks.reached("read")
        rows = [standing.row for standing in portion]
        found = {row.key if isinstance(row, Reject) else key_of(row.document_id) for row in rows}
        checkpoint = self._rows.sync(portion, checkpoint, tally)
        gone = [id_ for id_ in ids if key_of(id_) not in found]
        if gone and self._job.deletes.mode == "sweep" and tally.counts.deleted + len(gone) < GUARDED_FROM:
            held = self._kb.fingerprints(gone)
            checkpoint = self._rows.remove(held, checkpoint, tally)
            gone = [id_ for id_ in gone if id_ not in held]
        return self._rows.resolve([key_of(id_) for id_ in gone], checkpoint, tally)
