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
from syncd.reconcile.rows import Outcome, Portion, Saving, portions, readable
from syncd.tally import Hooks, Tally
from syncd.writer import Writer

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
        portion: brings documents in step with rows.
        writer: removes documents, and counts in the tally.
        saving: saves what came of it.
    """

    def __init__(
        self,
        job: JobDefinition,
        source: Source,
        knowledge_base: KnowledgeBase,
        portion: Portion,
        writer: Writer,
        saving: Saving,
        hooks: Hooks = Hooks(),
    ) -> None:
        self._job = job
        self._source = source
        self._kb = knowledge_base
        self._portion = portion
        self._writer = writer
        self._saving = saving
        self._hooks = hooks

    def run(self, keys: Collection[str], checkpoint: Checkpoint, tally: Tally) -> None:
        """Read the rows of these keys.

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

    def _read(self, ids: list[str], checkpoint: Checkpoint, tally: Tally) -> Checkpoint:
        with tally.timed("read"):
            portion = self._source.rows(ids, checkpoint.watermark)
        self._hooks.reached("read")
        rows = [standing.row for standing in portion]
        found = {row.key if isinstance(row, Reject) else key_of(row.document_id) for row in rows}
        checkpoint = self._saving.do(self._portion, portion, checkpoint)
        absent = frozenset(id_ for id_ in ids if key_of(id_) not in found)
        gone: frozenset[str] = frozenset()
        if absent and self._job.deletes.mode == "sweep" and tally.counts.deleted + len(absent) < GUARDED_FROM:
            gone = frozenset(self._kb.fingerprints(sorted(absent))) - self._source.present(sorted(absent))
            self._writer.remove(sorted(gone), gone)
        return self._saving.save(Outcome(bool(gone), settled=frozenset(map(key_of, absent))), checkpoint)
