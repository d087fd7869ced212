"""A sweep: the whole table is compared with the knowledge base, and what has no row any more is removed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from syncd.model.identity import document_prefix, key_of
from syncd.model.job import JobDefinition
from syncd.model.record import Reject
from syncd.model.run import Checkpoint
from syncd.pipeline import Commit
from syncd.ports import UNIDENTIFIED, KnowledgeBase, Source
from syncd.reconcile.rows import Rows, portions, readable
from syncd.tally import Hooks, Tally
from syncd.writer import Writer


class TooMany(Exception):
    """A sweep would remove more than it may, and has removed nothing.

    Args:
        orphans: how many documents have no row.
        documents: of how many.
    """

    def __init__(self, orphans: int, documents: int) -> None:
        super().__init__(orphans, documents)
        self.orphans = orphans
        self.documents = documents


class Sweep:
    """Compares everything, in portions, whatever the watermark says, and leaves the watermark where it is.

    Rows that are missing or differ are synced as a run would. It needs no snapshot of the whole table: each document
    that has no row is looked for once more just before it is removed.

    Args:
        job: whose table it is.
        source, knowledge_base: the parts, open.
        writer: counts rows as swept.
        commit: saves counts and rows that failed.
        dead_keys: the keys that are in the job's dead letters now.
        approved: how many documents it may remove whatever share of all they are.
    """

    def __init__(
        self,
        job: JobDefinition,
        source: Source,
        knowledge_base: KnowledgeBase,
        writer: Writer,
        *,
        commit: Commit,
        dead_keys: frozenset[str],
        approved: int = 0,
        hooks: Hooks = Hooks(),
    ) -> None:
        self._job = job
        self._source = source
        self._kb = knowledge_base
        self._rows = Rows(source, knowledge_base, writer, commit=commit, dead_keys=dead_keys, hooks=hooks)
        self._dead_keys = dead_keys
        self._approved = approved
        self._hooks = hooks

    def run(self, checkpoint: Checkpoint, tally: Tally) -> Checkpoint:
        """Sweep the table, and return the checkpoint with the knowledge base's identity after it.

        Args:
            checkpoint: where the pass before has come to.
            tally: counts what is done, also when this raises.

        Raises:
            TooMany: too much has no row any more; the rows that are there are in step, and nothing was removed.
            SyncError: as the parts raise; what was done stays done.
        """
        failed: set[str] = set()
        for portion in self._source.scan(checkpoint.watermark):
            self._hooks.boundary()
            failed.update(standing.row.key for standing in portion if isinstance(standing.row, Reject))
            checkpoint = self._rows.sync(portion, checkpoint, tally)
        with self._orphans() as (orphans, found, documents):
            if found > self._approved and self._job.deletes.is_too_many(found, documents):
                raise TooMany(found, documents)
            for ids in orphans:
                checkpoint = self._rows.remove(ids, checkpoint, tally)
        return self._rows.resolve(self._without_row(failed), checkpoint, tally)

    def _without_row(self, failed: Collection[str]) -> set[str]:
        """Return the dead letters whose rows are gone.

        Args:
            failed: the keys of the rows that could not be read just now.
        """
        gone: set[str] = set()
        keys = readable(self._dead_keys)
        for ids in portions(keys, self._job.source_table):
            self._hooks.boundary()
            gone.update(map(key_of, set(ids) - self._source.present(ids)))
        # By the others no row can be asked for: it is gone when the whole table was read without meeting it.
        if len(set(failed) - readable(failed)) < UNIDENTIFIED:
            gone.update(self._dead_keys.difference(keys, failed))
        return gone

    @contextmanager
    def _orphans(self) -> Iterator[tuple[Iterator[list[str]], int, int]]:
        """Find the documents that have no row, and lend them in portions, with their number and that of all.

        They are kept in a file meanwhile: a knowledge base must not change while it is listed, and there may be many.
        """
        found = documents = 0
        with tempfile.TemporaryFile("w+", encoding="ascii") as spool:
            for ids in self._kb.document_ids(document_prefix(self._job.source_table)):
                self._hooks.boundary()
                documents += len(ids)
                present = self._source.present(ids)
                absent = [id_ for id_ in ids if id_ not in present]
                found += len(absent)
                spool.write(json.dumps(absent) + "\n")
            spool.seek(0)
            self._hooks.reached("listed")
            yield map(json.loads, spool), found, documents
