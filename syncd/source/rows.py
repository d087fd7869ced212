"""From a driver's row to a record, or to a reject with its reason."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from decimal import Decimal

from syncd.errors import RecordError
from syncd.model.canonical import metadata_of, text_of
from syncd.model.identity import document_prefix, encode_key
from syncd.model.job import JobDefinition
from syncd.model.record import Key, Metadata, Record, Reject, Removal
from syncd.model.watermark import FilterValue
from syncd.source.filter_type import FilterType
from syncd.source.table import SourceTable

Row = Sequence[object]


class RowReader:
    """Reads rows whose columns stand in the order filter, key, content, metadata, marker, condition.

    Args:
        job: how the content is written.
        table: the columns.
        filter_type: how the filter value is read.
    """

    def __init__(self, job: JobDefinition, table: SourceTable, filter_type: FilterType) -> None:
        ends = [1]
        for width in (len(table.key), len(table.content), len(table.metadata)):
            ends.append(ends[-1] + width)
        self._key = slice(ends[0], ends[1])
        self._content = slice(ends[1], ends[2])
        self._metadata = slice(ends[2], ends[3])
        self._marker = ends[3] if table.marker is not None else None
        self._condition = ends[3] + (table.marker is not None) if table.condition is not None else None
        # Reflected names can be SQLAlchemy's own kind of string, which not every JSON encoder takes for a key.
        self._filter_name = str(table.filter.name)
        self._metadata_names = [str(column.name) for column in table.metadata]
        self._filter_type = filter_type
        self._prefix = document_prefix(job.source_table)
        self._write = _writer(job, [column.name for column in table.content])

    def key(self, row: Row) -> Key:
        """Return the row's key values."""
        return tuple(row[self._key])

    def read(self, row: Row) -> Record | Reject:
        """Return the row as a record, or as a reject when it cannot be synced."""
        try:
            key = encode_key(self.key(row))
        except RecordError as error:
            return self.unidentified(row, error.message)
        try:
            filter_value = None if row[0] is None else self._filter_type.read(row[0])
            return Record(
                key=self.key(row),
                document_id=self._prefix + key,
                text=self._write(row[self._content]),
                metadata=self._metadata_of(row, filter_value),
                removed=self._removed(row),
            )
        except RecordError as error:
            return Reject(key=key, reason=error.message)

    def unidentified(self, row: Row, reason: str) -> Reject:
        """Return a row whose key names no document; those that lack a key are told apart by their filter values."""
        key = self.key(row)
        return Reject(f"{key!r} at {row[0]}" if None in key else repr(key), reason)

    def _metadata_of(self, row: Row, filter_value: FilterValue | None) -> Metadata:
        metadata = dict(zip(self._metadata_names, map(metadata_of, row[self._metadata]), strict=True))
        metadata[self._filter_name] = metadata_of(row[0] if isinstance(row[0], float) else filter_value)
        return metadata

    def _removed(self, row: Row) -> Removal | None:
        if self._marker is not None and _is_marked(row[self._marker]):
            return Removal.DELETED
        if self._condition is not None and not row[self._condition]:
            return Removal.FILTERED
        return None


def _is_marked(value: object) -> bool:
    """Tell whether a soft-delete column says "deleted": true, a number other than 0, or any value of another type."""
    match value:
        case None:
            return False
        case bool() | int() | float() | Decimal():
            return bool(value)
        case bytes():
            return any(value)
        case _:
            return True


def _writer(job: JobDefinition, names: Sequence[str]) -> Callable[[Row], str]:
    pieces = None if job.template is None else list(string.Formatter().parse(job.template))

    def write(values: Row) -> str:
        texts = {
            name: text
            for name, value in zip(names, values, strict=True)
            if value is not None and (text := text_of(value)).strip()
        }
        if not texts:
            return ""
        if pieces is None:
            return "\n".join(f"{name}: {text}" for name, text in texts.items())
        return "".join(literal + (texts.get(field, "") if field else "") for literal, field, _, _ in pieces)

    return write
