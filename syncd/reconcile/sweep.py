"""A sweep: the whole table is compared with the knowledge base, and what has no row any more is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from syncd.compare import compare
from syncd.model.identity import key_of
from syncd.model.record import Reach, Record, Reject, Standing
from syncd.model.run import Checkpoint
from syncd.pipeline import Commit
from syncd.ports import KnowledgeBase, Source
from syncd.reconcile.orphans import Orphans
from syncd.tally import Hooks, Tally
from syncd.writer import Writer


class Portion(Protocol):
    """Brings the documents of some rows in step."""

    def __call__(self, portion: Sequence[Standing]) -> tuple[bool, Sequence[Reject], frozenset[str]]:
        """Return whether anything was written, the rows that failed, and the keys of those that are in step now."""
        ...


class Sweep:
    """Goes through everything, in portions, whatever the watermark says, and leaves the watermark where it is.

    Args:
        source, knowledge_base: the parts, open.
        portion: what is done with the rows that are there.
        orphans: what is done with the documents that have none.
        commit: saves counts and rows that failed.
        dead_keys: the keys that are in the job's dead letters now.
        tally: counts what is done, also when this raises.
    """

    def __init__(
        self,
        source: Source,
        knowledge_base: KnowledgeBase,
        portion: Portion,
        orphans: Orphans,
        *,
        commit: Commit,
        dead_keys: frozenset[str],
        tally: Tally,
        hooks: Hooks = Hooks(),
    ) -> None:
        self._source = source
        self._kb = knowledge_base
        self._portion = portion
        self._orphans = orphans
        self._commit = commit
        self._dead_keys = dead_keys
        self._tally = tally
        self._hooks = hooks

    def run(self, checkpoint: Checkpoint) -> None:
        """Sweep the table.

        Args:
            checkpoint: where the pass before has come to.

        Raises:
            TooMany: too much has no row any more; the rows that are there are in step, and nothing was removed.
            SyncError: as the parts raise; what was done stays done.
        """
        for portion in self._source.scan(checkpoint.watermark):
            self._hooks.boundary()
            written, rejects, synced = self._portion(portion)
            checkpoint = self._save(checkpoint, written, rejects, synced)
        for gone in self._orphans.remove():
            # A dead letter of a row that is gone has nothing to be mended.
            checkpoint = self._save(checkpoint, bool(gone), (), frozenset(map(key_of, gone)))

    def _save(
        self, checkpoint: Checkpoint, written: bool, rejects: Sequence[Reject], synced: frozenset[str]
    ) -> Checkpoint:
        self._tally.add(dead_lettered=len(rejects))
        resolved = sorted(self._dead_keys & synced)
        if not (written or rejects or resolved):
            return checkpoint
        if written:
            checkpoint = replace(checkpoint, identity=self._kb.advance())
        self._hooks.reached("commit")
        with self._tally.timed("commit"):
            self._commit(checkpoint, self._tally, rejects, resolved)
        self._hooks.reached("committed")
        return checkpoint


class InStep:
    """Compares rows with the fingerprints that are held, and syncs those that are missing or differ.

    Args:
        knowledge_base: open.
        writer: counts rows as swept.
        tally: the same that the writer counts in.
    """

    def __init__(self, knowledge_base: KnowledgeBase, writer: Writer, tally: Tally) -> None:
        self._kb = knowledge_base
        self._writer = writer
        self._tally = tally

    def __call__(self, portion: Sequence[Standing]) -> tuple[bool, Sequence[Reject], frozenset[str]]:
        """See `Portion`."""
        standings = [(standing.row, standing.reach) for standing in portion if isinstance(standing.row, Record)]
        with self._tally.timed("compare"):
            held = self._kb.fingerprints([record.document_id for record, _ in standings])
            # What the job was told to leave out stays out, unless it was read once.
            records = [row for row, reach in standings if reach is not Reach.LEFT_OUT or row.document_id in held]
            changes = compare(records, held)
        unread = [standing.row for standing in portion if isinstance(standing.row, Reject)]
        self._tally.add(swept=len(portion) - len(records))
        rejects = [*unread, *self._writer.apply(changes)]
        synced = {key_of(record.document_id) for record in records} - {reject.key for reject in rejects}
        return not changes.empty, rejects, frozenset(synced)
