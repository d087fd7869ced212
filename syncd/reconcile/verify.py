"""Compares a table with its knowledge base, and changes nothing.

It reads the table in the order of its key instead of the filter column's, and compares what is stored instead of
fingerprints: a sync's mistakes are not its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from syncd.model.identity import document_prefix, key_of
from syncd.model.inspection import Difference, Kind, Verification
from syncd.model.job import JobDefinition
from syncd.model.record import Reach, Record, Standing, StoredDocument
from syncd.model.watermark import Watermark
from syncd.ports import KnowledgeBase, Source
from syncd.reconcile.examine import Examiner, Finding

ROWS = 500
"""Rows whose documents, vectors included, are held in memory at once."""

SECOND_LOOKS = 10_000
"""Differences that are looked at again at the end, since a run may have been writing just then."""

NO_ROW = "no row has its key"


class Verify:
    """One comparison of everything.

    Args:
        job: whose table it is.
        source, knowledge_base: the parts, open.
        examiner: looks at the documents.
        watermark: how far the job has read; None before its first run.
        dead_keys: the keys that are in the job's dead letters now.
        boundary: called between portions; raises to stop there.
    """

    def __init__(
        self,
        job: JobDefinition,
        source: Source,
        knowledge_base: KnowledgeBase,
        examiner: Examiner,
        *,
        watermark: Watermark | None,
        dead_keys: frozenset[str],
        boundary: Callable[[], None] = lambda: None,
    ) -> None:
        self._sweeps = job.deletes.mode == "sweep"
        self._prefix = document_prefix(job.source_table)
        self._source = source
        self._kb = knowledge_base
        self._examiner = examiner
        self._watermark = watermark
        self._dead_keys = dead_keys
        self._boundary = boundary
        self._seen: Counter[str] = Counter()

    @property
    def result(self) -> Verification:
        """What was compared and found so far."""
        numbers = {name: self._seen[name] for name in _NUMBERS}
        return Verification(**numbers, differences={kind: self._seen[kind] for kind in Kind})

    def run(self) -> Iterator[Difference | Verification]:
        """Return every document that is not what its row says, each once, and now and then what was compared so far.

        The last that comes is what was compared in all.

        Raises:
            SyncError: as the parts raise.
        """
        again: dict[str, None] = {}
        for found in self._all():
            if isinstance(found, Difference) and len(again) < SECOND_LOOKS:
                again[found.document_id] = None
            else:
                yield self._counted(found) if isinstance(found, Difference) else found
        ids = list(again)
        for start in range(0, len(ids), ROWS):
            yield from map(self._counted, self._second_look(ids[start : start + ROWS]))
        yield self.result

    def findings(self, portion: Sequence[Standing]) -> Iterator[Finding]:
        """Return what differs of some rows, with what is needed to mend it; at most `ROWS` of them at once."""
        self._boundary()
        records = [standing.row for standing in portion if isinstance(standing.row, Record)]
        reaches = {s.row.document_id: s.reach for s in portion if isinstance(s.row, Record)}
        stored = self._kb.stored(list(reaches))
        self._seen["rows"] += len(portion)
        self._seen["chunks"] += sum(len(document.chunks) for document in stored.values())
        self._seen["quarantined"] += len(portion) - len(records)
        due = [record for record in records if self._is_due(reaches[record.document_id], record, stored)]
        for finding in self._examiner.examine(due, stored):
            if not self._is_explained(finding, reaches[finding.difference.document_id]):
                yield finding

    def _all(self) -> Iterator[Difference | Verification]:
        for portion in self._source.scan(self._watermark):
            for start in range(0, len(portion), ROWS):
                yield from (finding.difference for finding in self.findings(portion[start : start + ROWS]))
                yield self.result
        for ids in self._kb.document_ids(self._prefix):
            self._boundary()
            self._seen["documents"] += len(ids)
            present = self._source.present(ids)
            yield from (Difference(id_, Kind.ORPHANED, NO_ROW) for id_ in ids if id_ not in present)

    def _second_look(self, ids: Sequence[str]) -> Iterator[Difference]:
        before = self._seen.copy()
        standings = self._source.rows(ids, self._watermark)
        found = {finding.difference.document_id: finding.difference for finding in self.findings(standings)}
        present = self._source.present(ids)
        absent = [id_ for id_ in ids if id_ not in present]
        found |= {id_: Difference(id_, Kind.ORPHANED, NO_ROW) for id_ in self._kb.stored(absent)}
        # They were counted when they were looked at first.
        self._seen = before
        return (found[id_] for id_ in ids if id_ in found)

    def _is_due(self, reach: Reach, record: Record, stored: dict[str, StoredDocument]) -> bool:
        """Tell whether a row must have a document; one that need not, but has, is compared too."""
        if record.document_id in stored:
            return True
        if reach is Reach.LEFT_OUT:
            self._seen["left_out"] += 1
            return False
        if reach is Reach.NO_VALUE and not self._sweeps:
            self._seen["without_value"] += 1
            return False
        return True

    def _is_explained(self, finding: Finding, reach: Reach) -> bool:
        """Tell whether what differs waits for the next run, or for somebody to mend the row."""
        if key_of(finding.difference.document_id) in self._dead_keys:
            self._seen["quarantined"] += 1
            return True
        if reach is Reach.AHEAD:
            self._seen["ahead"] += 1
            return True
        return False

    def _counted(self, difference: Difference) -> Difference:
        self._seen[difference.kind] += 1
        return difference


_NUMBERS = ("rows", "documents", "chunks", "ahead", "left_out", "without_value", "quarantined")
