"""Tells of one row why it is in the knowledge base, or is not."""

from __future__ import annotations

from collections.abc import Callable

from syncd.model.fingerprint import fingerprint
from syncd.model.identity import key_of
from syncd.model.inspection import Answer, Explanation
from syncd.model.job import JobDefinition
from syncd.model.record import Fingerprint, Reach, Reject, Removal, Standing
from syncd.model.watermark import Watermark
from syncd.ports import KnowledgeBase, Source

_NEXT_RUN = "the next run reads it"


def explain(
    job: JobDefinition,
    source: Source,
    knowledge_base: KnowledgeBase,
    watermark: Watermark | None,
    key: str,
    reason_of: Callable[[str], str | None],
) -> Explanation:
    """Return how the row with a key stands.

    Args:
        watermark: how far the job has read; None before its first run.
        key: as a person writes it.
        reason_of: tells why a key is in the dead letters; None where it is not.

    Raises:
        Invalid: it cannot be a key of this table.
        SyncError: as the parts raise.
    """
    document_id = source.document_id(key)
    held = knowledge_base.fingerprints([document_id]).get(document_id)
    found = source.rows([document_id], watermark)
    if not found:
        answer, detail = _without_row(job, held is not None)
        return Explanation(document_id, answer, detail, held is not None, None)
    answer, detail = _with_row(job, found[0], held, reason_of(key_of(document_id)))
    return Explanation(document_id, answer, detail, held is not None, found[0].filter_value)


def _without_row(job: JobDefinition, held: bool) -> tuple[Answer, str]:
    if not held:
        return Answer.NOT_IN_THE_SOURCE, "no row has this key, and no document either"
    if job.deletes.mode == "sweep":
        return Answer.DELETED_AT_THE_SOURCE, "its document is still held: the next sweep removes it"
    return Answer.DELETED_AT_THE_SOURCE, "its document stays, since the job does not sweep its table: deletes.mode"


def _with_row(
    job: JobDefinition, standing: Standing, held: Fingerprint | None, letter: str | None
) -> tuple[Answer, str]:
    row = standing.row
    if isinstance(row, Reject):
        return Answer.QUARANTINED, row.reason
    kept = "" if held is None else "; its document is still held, and goes when the row is read"
    if row.removed is Removal.DELETED:
        return Answer.DELETED_AT_THE_SOURCE, f"{job.deletes.column} marks it as deleted{kept}"
    if row.removed is Removal.FILTERED:
        return Answer.FILTERED_OUT, f"it does not meet the job's filters{kept}"
    if not row.text:
        return Answer.EMPTY_TEXT, f"its content columns hold no text{kept}"
    if held == fingerprint(row.text, row.metadata):
        return Answer.SYNCED, "its document says what the row says"
    if letter is not None:
        return Answer.QUARANTINED, letter
    return _unsynced(job, standing.reach, "it is not held" if held is None else "an older version is held")


def _unsynced(job: JobDefinition, reach: Reach, state: str) -> tuple[Answer, str]:
    sweeps = job.deletes.mode == "sweep"
    later = "the next sweep reads it" if sweeps else "no run reads it before its filter value grows, or with --full"
    match reach:
        case Reach.NO_VALUE:
            wait = "the next sweep reads it" if sweeps else "no run reads it before it has one"
            return Answer.FILTER_VALUE_IS_NULL, f"{state}: {wait}"
        case Reach.BEHIND:
            return Answer.BEHIND_THE_WATERMARK, f"{state}: its filter value is below the lookback; {later}"
        case Reach.LEFT_OUT:
            return Answer.BEHIND_THE_WATERMARK, f"{state}: its filter value is below `initial`, where the job began"
    return Answer.NOT_READ_YET, f"{state}: {_NEXT_RUN}"
