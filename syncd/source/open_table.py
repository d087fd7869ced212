"""A job's table as a pass found it, with the queries that read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from syncd.errors import PermanentError, RecordError
from syncd.model.identity import key_of
from syncd.model.job import JobDefinition
from syncd.model.record import Key, Record, Reject, Window
from syncd.model.watermark import FilterValue, Watermark, type_name
from syncd.ports import UNIDENTIFIED, Pass
from syncd.source.filter_type import FilterType
from syncd.source.rows import Row, RowReader
from syncd.source.table import SourceTable, after, value_of

Query = sa.Select[*tuple[Any, ...]]

WINDOW_BYTES = 64 * 1024 * 1024
FETCH_ROWS = 100
MOST_COUNTED = 10_000
"""How many of the newest rows a look counts at most once the watermark has reached the newest one."""


@dataclass(frozen=True, slots=True)
class Batch:
    rows: list[Row]
    ended: bool


class OpenTable:
    """A job's table as it was found at the beginning of a pass, with its queries."""

    def __init__(self, job: JobDefinition, source: SourceTable, kind: FilterType) -> None:
        self.source = source
        self.type = kind
        self.reader = RowReader(job, source, kind)
        self._order = (source.filter, *source.key)
        selected: list[sa.ColumnElement[Any]] = [*self._order, *source.content, *source.metadata]
        if source.marker is not None:
            selected.append(source.marker)
        # The driver's own values, untouched by conversions of declared types.
        self.columns = [sa.type_coerce(column, sa.types.NullType()) for column in selected]

    @property
    def warnings(self) -> tuple[str, ...]:
        found = []
        if self.type.name == "timestamp without time zone":
            found.append(f"{self.source.filter.name} has no time zone; the job's timezone decides what it means")
        if not self.source.unique:
            names = ", ".join(column.name for column in self.source.key)
            found.append(f"nothing in the database keeps the key ({names}) unique")
        return tuple(found)

    @property
    def nullable_key(self) -> bool:
        return any(column.nullable for column in self.source.key)

    def bind(self, value: FilterValue) -> sa.BindParameter[Any]:
        return value_of(self.source.filter, self.type.bind(value))

    def holds(self, value: FilterValue) -> bool:
        """Tell whether a saved value is one of this column, whose type may have changed since."""
        return type_name(value) == self.type.saved_as and readable(self.type, value) is not None

    def newest(self, connection: sa.Connection, lower: FilterValue | None) -> Row | None:
        """Return filter value and key of a row with the largest filter value, the same one while nothing changes."""
        return self._at(connection, lower, 0)

    def count(self, connection: sa.Connection, lower: FilterValue | None, *conditions: sa.ColumnElement[bool]) -> int:
        """Count the rows from the lower bound up that meet all conditions."""
        query: Query = sa.select(sa.func.count()).select_from(self.source.table)
        return int(connection.execute(self._bounded(query, lower).where(*conditions)).scalar_one())

    def up_to(self, newest: Row) -> sa.ColumnElement[bool]:
        """Return the condition for rows that are no newer than this one."""
        return self.source.filter <= value_of(self.source.filter, newest[0])

    def count_newest(self, connection: sa.Connection, lower: FilterValue | None, newest: Row) -> tuple[int, str | None]:
        """Count the rows from the lower bound to the newest row; of more than `MOST_COUNTED` about as many, the newest.

        Returns:
            The number, and the text of the filter value that the counted rows lie above, None where all are counted.
        """
        edge = self._at(connection, lower, MOST_COUNTED)
        if edge is None:
            return self.count(connection, lower, self.up_to(newest)), None
        beyond = self.source.filter > value_of(self.source.filter, edge[0])
        return self.count(connection, None, self.up_to(newest), beyond), str(edge[0])

    def fetch(self, connection: sa.Connection, current: Pass, position: Row | None, size: int) -> Batch:
        """Read the next rows after a position, at most `size` of them and about 64 MiB."""
        query = self._bounded(self.select(), current.lower)
        query = query.where(self.source.filter <= value_of(self.source.filter, current.upper))
        if position is not None:
            query = query.where(after(self._order, position))
        return self.read(connection, query.order_by(*self._order), size)

    def read(self, connection: sa.Connection, query: Query, size: int) -> Batch:
        """Return the first rows that a query finds, at most `size` of them and about 64 MiB."""
        query = query.limit(size)
        rows: list[Row] = []
        held = 0
        options = {"stream_results": True, "max_row_buffer": FETCH_ROWS}
        with connection.execution_options(**options).execute(query) as result:
            for row in result:
                rows.append(tuple(row))
                held += sum(len(value) for value in row if isinstance(value, str | bytes))
                if held > WINDOW_BYTES:
                    return Batch(rows, ended=False)
        return Batch(rows, ended=len(rows) < size)

    def window(self, rows: Sequence[Row], watermark: Watermark, last: FilterValue | None) -> Window:
        read = [self.reader.read(row) for row in rows]
        records: dict[str, Record] = {}
        rejects = []
        for item in read:
            if isinstance(item, Reject):
                rejects.append(item)
            elif item.document_id in records:
                rejects.append(Reject(key_of(item.document_id), "another row has the same key"))
            else:
                records[item.document_id] = item
        return Window(tuple(records.values()), tuple(rejects), watermark, last)

    def without_key(self, connection: sa.Connection, current: Pass) -> tuple[Reject, ...]:
        """Return rows that no paging by key would ever reach, because a key column is NULL."""
        position: Query = sa.select(*self.columns[: len(self._order)])
        query = self._bounded(position, current.lower, keyed=False)
        query = query.where(sa.or_(*(column.is_(None) for column in self.source.key))).limit(UNIDENTIFIED)
        rows = connection.execute(query).all()
        return tuple(self.reader.unidentified(row, "a key column is NULL") for row in rows)

    def last(self, rows: Sequence[Row]) -> FilterValue | None:
        """Return the newest filter value that can be read."""
        for row in reversed(rows):
            value = readable(self.type, row[0])
            if value is not None:
                return value
        return None

    def position(self, row: Row) -> Row:
        return row[: len(self._order)]

    def check_order(self, rows: Sequence[Row]) -> None:
        """Fail loudly when rows do not come in order, because a lost row would not be noticed.

        Raises:
            PermanentError: a row came after one that belongs behind it.
        """
        before: tuple[Any, Key] | None = None
        for row in rows:
            value = readable(self.type, row[0])
            order = None if value is None else self.type.order(value)
            if order is None:
                continue
            key = self.reader.key(row)
            if before is not None and (order < before[0] or (order == before[0] and _before(key, before[1]))):
                raise PermanentError(
                    f"{self.source.table.name} does not come in the order of {self.source.filter.name}: "
                    f"{key!r} follows {before[1]!r}",
                    "a column whose text form does not sort by time cannot be a filter column",
                )
            before = (order, key)

    def is_at_or_above(self, connect: Any, value: str, floor: FilterValue | None) -> bool:
        """Ask the database, by its own collation, whether a row holds `value` and lies at or above `floor`."""
        query = sa.select(sa.literal(1)).select_from(self.source.table).where(self.source.filter == value)
        if floor is not None:
            query = query.where(self.source.filter >= floor)
        with connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def select(self) -> Query:
        """Ask for whole rows, in the order of columns that `RowReader` reads."""
        condition = self.source.condition
        query: Query = sa.select(*self.columns)
        if condition is None:
            return query
        # A row that stopped meeting the filters has to be read, because its document has to go.
        return query.add_columns(sa.case((condition, 1), else_=0))

    def _at(self, connection: sa.Connection, lower: FilterValue | None, place: int) -> Row | None:
        """Return filter value and key of the row that so many newer ones come before."""
        # Rows with equal stamps come as the index has them: to sort them would read them all.
        order = (self.source.filter,) if self.source.indexed else self._order
        query = self._bounded(sa.select(*self.columns[: len(self._order)]), lower)
        query = query.order_by(*(column.desc() for column in order)).offset(place or None).limit(1)
        row = connection.execute(query).one_or_none()
        return None if row is None else tuple(row)

    def _bounded(self, query: Query, lower: FilterValue | None, *, keyed: bool = True) -> Query:
        query = query.where(self.source.filter.is_not(None))
        if self.source.narrowing is not None:
            query = query.where(self.source.narrowing)
        if keyed and self.nullable_key:
            query = query.where(*(column.is_not(None) for column in self.source.key if column.nullable))
        return query if lower is None else query.where(self.source.filter >= self.bind(lower))


def _before(key: Key, other: Key) -> bool:
    """Tell whether an all-integer key is smaller; other types are ordered by the database alone."""
    return all(isinstance(value, int) for value in (*key, *other)) and key < other


def readable(kind: FilterType, raw: object) -> FilterValue | None:
    try:
        return kind.read(raw)
    except RecordError:
        return None
