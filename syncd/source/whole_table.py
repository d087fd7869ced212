"""A job's table in the order of its key, and rows by their keys, whatever their filter values are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from syncd.errors import Fault, Invalid, RecordError
from syncd.model.identity import decode_key, document_id, key_of
from syncd.model.job import JobDefinition
from syncd.model.record import Key, Reach, Record, Reject, Standing
from syncd.model.watermark import Watermark, filter_value_text
from syncd.ports import UNIDENTIFIED
from syncd.source.open_table import Batch, OpenTable, Query, readable
from syncd.source.rows import Row
from syncd.source.table import SourceTable, after, value_of

KEYS = 500
"""Keys in one question: a database binds each of their values as a variable, and has a limit for them."""

_REACHES = (Reach.AHEAD, Reach.RECENT, Reach.BEHIND, Reach.LEFT_OUT, Reach.NO_VALUE)


class WholeTable:
    """Reads rows by their keys, and tells of each how it stands to a watermark.

    Args:
        job: whose table it is.
        opened: the table as it was found.
        watermark: how far the job has read; None before its first run.
    """

    def __init__(self, job: JobDefinition, opened: OpenTable, watermark: Watermark | None) -> None:
        self._job = job
        self._opened = opened
        self._source = opened.source
        # Last, behind the columns that a row's reader knows.
        self._query: Query = opened.select().add_columns(_reach(opened, watermark))

    def fetch(self, connection: sa.Connection, position: Row | None, size: int) -> Batch:
        """Read the next rows in the order of the key, at most `size` of them and about 64 MiB."""
        query = self._query.where(*self._identified())
        if position is not None:
            query = query.where(after(self._source.key, position))
        return self._opened.read(connection, query.order_by(*self._source.key), size)

    def position(self, row: Row) -> Row:
        """Return where to go on after this row."""
        return self._opened.reader.key(row)

    def rows(self, connection: sa.Connection, document_ids: Sequence[str]) -> list[Row]:
        """Read the rows of these documents, as far as they are there; ids that no key of this table has are not."""
        found: list[Row] = []
        for keys in _keys(document_ids, len(self._source.key)):
            found += [tuple(row) for row in connection.execute(self._query.where(self._among(keys)))]
        wanted = set(document_ids)
        # A database may take keys for equal that are not, such as texts in another case.
        return [row for row in found if self._id(self._opened.reader.key(row)) in wanted]

    def present(self, connection: sa.Connection, document_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these documents whose rows are there."""
        found: set[str | None] = set()
        columns = [sa.type_coerce(column, sa.types.NullType()) for column in self._source.key]
        for keys in _keys(document_ids, len(columns)):
            rows = connection.execute(sa.select(*columns).where(self._among(keys)))
            found |= {self._id(tuple(row)) for row in rows}
        return frozenset(id_ for id_ in document_ids if id_ in found)

    def without_key(self, connection: sa.Connection) -> tuple[Standing, ...]:
        """Return the rows that cannot be synced because a key column is NULL, up to `UNIDENTIFIED` of them."""
        if not self._opened.nullable_key:
            return ()
        missing = sa.or_(*(column.is_(None) for column in self._source.key))
        query = self._query.where(missing).limit(UNIDENTIFIED)
        return self.standings([tuple(row) for row in connection.execute(query)])

    def standings(self, rows: Sequence[Row]) -> tuple[Standing, ...]:
        """Return what becomes of rows, and how they stand to the watermark."""
        seen: set[str] = set()
        return tuple(self._standing(row, seen) for row in rows)

    def _standing(self, row: Row, seen: set[str]) -> Standing:
        read: Record | Reject = self._opened.reader.read(row[:-1])
        if isinstance(read, Record):
            if read.document_id in seen:
                read = Reject(key_of(read.document_id), "another row has the same key")
            else:
                seen.add(read.document_id)
        value = None if row[0] is None else readable(self._opened.type, row[0])
        shown = str(row[0]) if value is None else filter_value_text(value)
        reach = row[-1]
        assert isinstance(reach, int)
        return Standing(read, _REACHES[reach], "NULL" if row[0] is None else shown)

    def _identified(self) -> list[sa.ColumnElement[bool]]:
        return [column.is_not(None) for column in self._source.key if column.nullable]

    def _among(self, keys: Sequence[Key]) -> sa.ColumnElement[bool]:
        columns = self._source.key
        if len(columns) == 1:
            return columns[0].in_([value_of(columns[0], key[0]) for key in keys])
        pairs = [[value_of(column, value) for column, value in zip(columns, key, strict=True)] for key in keys]
        return sa.or_(*(sa.and_(*(c == value for c, value in zip(columns, pair, strict=True))) for pair in pairs))

    def _id(self, key: Key) -> str | None:
        try:
            return document_id(self._job.source_table, key)
        except RecordError:
            return None


def written_keys(job: JobDefinition, source: SourceTable, text: str) -> list[str]:
    """Return the ids of the documents that a key which a person wrote may mean, the likeliest first.

    Args:
        text: as documents' ids end with it; for a key of one column also as the database shows the value.

    Raises:
        Invalid: it cannot be a key of this table.
    """
    try:
        key = decode_key(text)
    except ValueError:
        key = (text,)
    keys = [key]
    if len(source.key) == 1 and not (len(key) == 1 and text.startswith('"')):
        keys = [(value,) for value in _values(source.key[0], text, key)]
    if len(keys[0]) != len(source.key):
        names = ", ".join(column.name for column in source.key)
        raise Invalid([Fault("key", f"{text!r} is no key of {job.source_table}: give {names}, separated by commas")])
    return [document_id(job.source_table, key) for key in keys]


def _values(column: sa.Column[Any], text: str, decoded: Key) -> list[object]:
    """Read what a person wrote as values of the column's type; where that is not known, as more than one."""
    try:
        kind = column.type.python_type
    except NotImplementedError:
        return list(dict.fromkeys([*decoded, text])) if len(decoded) == 1 else [text]
    if len(decoded) == 1 and isinstance(decoded[0], kind) and kind is not str:
        return [decoded[0]]
    try:
        return [_READERS.get(kind, lambda written: written)(text)]
    except (ValueError, ArithmeticError) as error:
        raise Invalid([Fault("key", f"{text!r} is no {kind.__name__}, as {column.name} holds")]) from error


_READERS: dict[type, Any] = {
    int: int,
    float: float,
    Decimal: Decimal,
    UUID: UUID,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    bytes: bytes.fromhex,
}


def _keys(document_ids: Sequence[str], width: int) -> list[list[Key]]:
    """Return the keys of documents in portions; ids that cannot be of a key of so many columns are left out."""
    keys = []
    for id_ in document_ids:
        try:
            key = decode_key(key_of(id_))
        except ValueError:
            continue
        if len(key) == width:
            keys.append(key)
    return [keys[start : start + KEYS] for start in range(0, len(keys), KEYS)]


def _reach(opened: OpenTable, watermark: Watermark | None) -> sa.ColumnElement[int]:
    """Return the place in `_REACHES` of a row, as the database compares its filter value."""
    column = opened.source.filter
    cases: list[tuple[sa.ColumnElement[bool], Reach]] = [(column.is_(None), Reach.NO_VALUE)]
    if watermark is not None and watermark.floor is not None and opened.holds(watermark.floor):
        cases.append((column < opened.bind(watermark.floor), Reach.LEFT_OUT))
    if watermark is not None and watermark.value is not None and opened.holds(watermark.value):
        cases.append((column < opened.bind(opened.type.back(watermark.value)), Reach.BEHIND))
    newest = None if watermark is None else watermark.value if watermark.seen is None else watermark.seen
    if newest is not None and opened.holds(newest):
        cases.append((column <= opened.bind(newest), Reach.RECENT))
    # Written out: a bound number would have a type of its own in some databases.
    return sa.case(
        *((condition, sa.literal_column(str(_REACHES.index(reach)))) for condition, reach in cases),
        else_=sa.literal_column(str(_REACHES.index(Reach.AHEAD))),
    )
