"""Mends what a verification finds, with the vectors that are there where they are still right."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from syncd.errors import PermanentError
from syncd.model.identity import key_of
from syncd.model.inspection import Kind
from syncd.model.record import Chunk, Document, Record, Reject, Standing
from syncd.ports import KnowledgeBase
from syncd.reconcile.examine import Expected, Finding, is_sound
from syncd.reconcile.rows import Outcome, unread
from syncd.reconcile.verify import ROWS, Verify
from syncd.tally import Tally
from syncd.writer import WRITE_DOCUMENTS, Writer

log = logging.getLogger(__name__)


class Repair:
    """Finds what differs of some rows, and mends it; a chunk is embedded only when no vector of its text is held.

    Args:
        verify: finds.
        knowledge_base: open.
        writer: counts rows as swept.
        tally: the same that the writer counts in.
    """

    def __init__(self, verify: Verify, knowledge_base: KnowledgeBase, writer: Writer, tally: Tally) -> None:
        self._verify = verify
        self._kb = knowledge_base
        self._writer = writer
        self._tally = tally

    def __call__(self, portion: Sequence[Standing]) -> Outcome:
        """See `Portion`.

        Raises:
            PermanentError: something differs still after it was written anew.
        """
        rejects = unread(portion)
        records = [standing.row for standing in portion if isinstance(standing.row, Record)]
        written, removed = False, 0
        for start in range(0, len(portion), ROWS):
            part = portion[start : start + ROWS]
            found = list(self._verify.findings(part))
            if found:
                written = True
                removed += sum(1 for finding in found if finding.expected is None)
                rejects += self._mend(found)
                self._require_mended(part, {reject.key for reject in rejects})
        # The writer has counted those that it removed.
        self._writer.count(len(portion) - removed)
        synced = {key_of(record.document_id) for record in records} - {reject.key for reject in rejects}
        return Outcome(written, rejects, synced)

    def _mend(self, found: Sequence[Finding]) -> list[Reject]:
        for finding in found:
            difference = finding.difference
            log.info("%s: %s (%s)", difference.kind, difference.document_id, difference.detail)
        gone = [finding.difference.document_id for finding in found if finding.expected is None]
        self._writer.remove(gone, frozenset(gone))
        # An index may only find a vector again when it is put in anew.
        self._kb.delete([f.difference.document_id for f in found if f.difference.kind is Kind.UNREACHABLE])
        mended = [finding for finding in found if finding.expected is not None]
        rejects: list[Reject] = []
        for start in range(0, len(mended), WRITE_DOCUMENTS):
            batch = mended[start : start + WRITE_DOCUMENTS]
            rejects += self._writer.write_each(batch, self._write, lambda finding: finding.difference.document_id)
        return rejects

    def _write(self, found: Sequence[Finding]) -> None:
        wanted = [(finding.expected, finding) for finding in found if finding.expected is not None]
        missing = [(e, [t for t in dict.fromkeys(e.texts) if t not in _vectors(f)], f) for e, f in wanted]
        texts = list(dict.fromkeys(text for _, absent, _ in missing for text in absent))
        embedded = dict(zip(texts, self._writer.embed(texts), strict=True)) if texts else {}
        self._writer.write([_document(expected, embedded | _vectors(finding)) for expected, _, finding in missing])
        self._tally.add(
            repaired=len(wanted),
            embedded=sum(1 for _, absent, _ in missing if absent),
            inserted=sum(1 for finding in found if finding.stored is None),
            chunks=len(texts),
        )

    def _require_mended(self, portion: Sequence[Standing], failed: set[str]) -> None:
        left = [
            finding.difference
            for finding in self._verify.findings(portion)
            if key_of(finding.difference.document_id) not in failed
        ]
        if left:
            raise PermanentError(
                f"{len(left)} documents differ still after they were written anew, such as {left[0].document_id}: "
                f"{left[0].detail}",
                "run it again; if the index itself is damaged, rebuild the knowledge base",
            )


def _vectors(finding: Finding) -> dict[str, tuple[float, ...]]:
    """Return the vectors that are held for texts of this document."""
    if finding.stored is None:
        return {}
    return {chunk.text: chunk.vector for chunk in finding.stored.chunks.values() if is_sound(chunk)}


def _document(expected: Expected, vectors: dict[str, tuple[float, ...]]) -> Document:
    chunks = tuple(Chunk(text, vectors[text]) for text in expected.texts)
    return Document(expected.record.document_id, chunks, expected.record.metadata, expected.fingerprint)
