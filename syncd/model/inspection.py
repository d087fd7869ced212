"""What can be asked about a table and its knowledge base, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncd.model.run import Counts


class Kind(StrEnum):
    """What can be wrong with a document."""

    MISSING = "missing"
    STALE = "stale"
    ORPHANED = "orphaned"
    DUPLICATED = "duplicated"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Difference:
    """One document that is not what its row says.

    Args:
        kind: MISSING: it, or a part of it, is not held; STALE: it was made from another version of the row, or changed
            since; ORPHANED: it is held without a row that it should be made from; DUPLICATED: chunks of an older
            version lie beside those of the newest; UNREACHABLE: a search for a chunk's own vector does not find it.
        detail: what exactly, for people.
    """

    document_id: str
    kind: Kind
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared, in rows, documents and chunks.

    Args:
        rows: rows of the table.
        documents: documents of the table's that the knowledge base lists.
        chunks: chunks that were looked at one by one.
        ahead: rows that the next run reads for the first time, or again because they changed.
        left_out: rows that the job was told to leave out.
        without_value: rows that no run reads because their filter value is NULL, and no sweep does.
        quarantined: rows that wait in the dead letters, or would.
        differences: how many documents differ, by kind.
    """

    rows: int = 0
    documents: int = 0
    chunks: int = 0
    ahead: int = 0
    left_out: int = 0
    without_value: int = 0
    quarantined: int = 0
    differences: Mapping[Kind, int] = field(default_factory=dict)

    @property
    def in_step(self) -> bool:
        """Whether nothing differs."""
        return not any(self.differences.values())


class Answer(StrEnum):
    """Why a row is in the knowledge base, or is not."""

    SYNCED = "synced"
    NOT_READ_YET = "not read yet"
    BEHIND_THE_WATERMARK = "behind the watermark"
    FILTER_VALUE_IS_NULL = "filter value is NULL"
    FILTERED_OUT = "filtered out"
    QUARANTINED = "quarantined"
    EMPTY_TEXT = "empty text"
    DELETED_AT_THE_SOURCE = "deleted at the source"
    NOT_IN_THE_SOURCE = "not in the source"


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one row stands.

    Args:
        document_id: its document, held or not.
        detail: the rest, and what will happen next, for people.
        held: whether the knowledge base holds a whole document of it.
        filter_value: the row's, for people; None where there is no row.
    """

    document_id: str
    answer: Answer
    detail: str
    held: bool
    filter_value: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job's next run will do, as far as its table stays as it is.

    Args:
        counts: what the run will count.
        sweeps: whether the run will compare the whole table after its pass.
        withheld: what its sweep will not do before somebody approves of it; None where nothing is in its way.
        from_beginning: why the table will be compared from the beginning; None where the watermark applies.
        seconds: how long the run will take, about, once the model is loaded.
    """

    counts: Counts
    sweeps: bool
    withheld: str | None
    from_beginning: str | None
    seconds: float
