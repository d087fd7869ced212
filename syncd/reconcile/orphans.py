"""Removes the documents that have no row any more, unless they are suspiciously many."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from syncd.model.identity import document_prefix
from syncd.model.job import JobDefinition
from syncd.model.run import too_many
from syncd.ports import KnowledgeBase, Source
from syncd.reconcile.seen import Seen
from syncd.tally import Hooks
from syncd.writer import Writer


class TooMany(Exception):
    """More documents would be removed than may be, and none was.

    Args:
        orphans: how many documents have no row.
        documents: of how many.
    """

    def __init__(self, orphans: int, documents: int) -> None:
        super().__init__(orphans, documents)
        self.orphans = orphans
        self.documents = documents

    @property
    def told(self) -> str:
        """What to tell the person who has to decide."""
        return too_many(self.orphans, self.documents)


class Orphans:
    """The documents of a job's table that have no row.

    It needs no snapshot of the whole table: each is looked for once more just before it is removed.

    Args:
        job: whose table it is.
        source, knowledge_base: the parts, open.
        writer: removes.
        approved: how many documents may be removed whatever share of all they are.
    """

    def __init__(
        self,
        job: JobDefinition,
        source: Source,
        knowledge_base: KnowledgeBase,
        writer: Writer,
        *,
        approved: int = 0,
        hooks: Hooks = Hooks(),
    ) -> None:
        self._job = job
        self._source = source
        self._kb = knowledge_base
        self._writer = writer
        self._approved = approved
        self._hooks = hooks

    def remove(self, seen: Seen) -> Iterator[frozenset[str]]:
        """Remove them in portions, and return the ids of each portion once it is gone.

        Args:
            seen: the documents whose rows were met just now, and are not asked for again.

        Raises:
            TooMany: they are too many; nothing was removed.
            SyncError: as the parts raise.
        """
        with self._listed(seen) as (orphans, found, documents):
            if found > self._approved and self._job.deletes.is_too_many(found, documents):
                raise TooMany(found, documents)
            for ids in orphans:
                gone = frozenset(ids) - self._source.present(ids)
                self._writer.remove(sorted(gone), gone)
                yield gone

    @contextmanager
    def _listed(self, seen: Seen) -> Iterator[tuple[Iterator[list[str]], int, int]]:
        """Find them, and lend them in portions, with their number and that of all documents.

        They are kept in a file meanwhile: a knowledge base must not change while it is listed, and there may be many.
        """
        found = documents = 0
        with tempfile.TemporaryFile("w+", encoding="ascii") as spool:
            for ids in self._kb.document_ids(document_prefix(self._job.source_table)):
                self._hooks.boundary()
                documents += len(ids)
                unmet = seen.unmet(ids)
                present = self._source.present(unmet) if unmet else frozenset()
                absent = [id_ for id_ in unmet if id_ not in present]
                found += len(absent)
                if absent:
                    spool.write(json.dumps(absent) + "\n")
            spool.seek(0)
            self._hooks.reached("listed")
            yield map(json.loads, spool), found, documents
