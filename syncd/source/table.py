"""The table a job reads: reflected, checked, and turned into the columns of one SELECT."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from syncd.errors import DefinitionRefused, Fault
from syncd.model.job import Filter, JobDefinition, Operator


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A reflected table or view with the columns that a job names.

    Args:
        key: the columns that identify a row, in order.
        marker: the soft-delete column, None where there is none.
        condition: the job's filters, None where there are none.
        narrowing: those filters that only this run has, None where there are none.
    """

    table: sa.Table
    key: tuple[sa.Column[Any], ...]
    filter: sa.Column[Any]
    content: tuple[sa.Column[Any], ...]
    metadata: tuple[sa.Column[Any], ...]
    marker: sa.Column[Any] | None
    condition: sa.ColumnElement[bool] | None
    narrowing: sa.ColumnElement[bool] | None = None

    @property
    def unique(self) -> bool:
        """Whether the database itself keeps the key unique."""
        names = {column.name for column in self.key}
        sets = [{c.name for c in self.table.primary_key.columns}]
        sets += [{c.name for c in index.columns} for index in self.table.indexes if index.unique]
        sets += [
            {c.name for c in item.columns} for item in self.table.constraints if isinstance(item, sa.UniqueConstraint)
        ]
        return any(columns and columns <= names for columns in sets)

    @property
    def indexed(self) -> bool:
        """Whether an index begins with the filter column."""
        starts = [next(iter(self.table.primary_key.columns), None)]
        starts += [next(iter(index.columns), None) for index in self.table.indexes]
        return any(column is not None and column.name == self.filter.name for column in starts)


def reflect(connection: sa.Connection, job: JobDefinition, *, raw: bool) -> SourceTable:
    """Look the job's table up in the database and check every column that the job names.

    Args:
        raw: compare values as they are stored, not by the columns' declared types.

    Raises:
        DefinitionRefused: the table or columns are missing, or no key can be found; all faults at once.
    """
    _, *schema, name = job.source_table.split(".")
    table = _reflect_table(connection, name, schema[0] if schema else None, raw=raw)
    faults: list[Fault] = []

    def columns(names: Iterable[str], field: str) -> tuple[sa.Column[Any], ...]:
        found = []
        for wanted in names:
            if wanted in table.columns:
                found.append(table.columns[wanted])
            else:
                known = _closest(wanted, table.columns.keys())
                faults.append(Fault(field, f"{job.source_table} has no column {wanted!r}{known}"))
        return tuple(found)

    key = columns(job.key_columns, "key_columns") if job.key_columns else tuple(table.primary_key.columns)
    filter_column = columns([job.filter_column], "filter_column")
    content = columns(job.content_columns, "content_columns")
    metadata = columns(job.metadata_columns, "metadata_columns")
    marker = columns([job.deletes.column], "deletes.column") if job.deletes.column else ()
    filters = [(item, found[0]) for item in job.filters if (found := columns([item.column], "filters"))]
    lasting = [_condition(item, column) for item, column in filters if item.variable is None]
    narrowing = [_condition(item, column) for item, column in filters if item.variable and item.value is not None]
    if not key and not job.key_columns:
        faults.append(
            Fault(
                "key_columns",
                f"{job.source_table} has no primary key: set key_columns to columns that identify a row, "
                f"out of {', '.join(table.columns.keys())}",
            )
        )
    if faults:
        raise DefinitionRefused(faults)
    return SourceTable(
        table=table,
        key=key,
        filter=filter_column[0],
        content=content,
        metadata=metadata,
        marker=marker[0] if marker else None,
        condition=sa.and_(*lasting) if lasting else None,
        narrowing=sa.and_(*narrowing) if narrowing else None,
    )


def _reflect_table(connection: sa.Connection, name: str, schema: str | None, *, raw: bool) -> sa.Table:
    def forget_type(_inspector: Any, _table: Any, column: dict[str, Any]) -> None:
        column["type"] = sa.types.NullType()

    listeners = [("column_reflect", forget_type)] if raw else []
    try:
        with warnings.catch_warnings():
            # Types of extensions that SQLAlchemy does not know are read as the driver hands them over.
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            return sa.Table(
                name, sa.MetaData(), schema=schema, autoload_with=connection, listeners=listeners, resolve_fks=False
            )
    except sa.exc.NoSuchTableError as error:
        inspector = sa.inspect(connection)
        known = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        missing = Fault("source_table", f"there is no table {name!r}{_closest(name, known)}", "INVALID_TABLE")
        raise DefinitionRefused([missing], f"the tables are: {_some(known)}") from error


def _condition(item: Filter, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    value = item.value
    match item.op:
        case Operator.EQ:
            return column == value
        case Operator.NE:
            return column != value
        case Operator.LT:
            return column < value
        case Operator.LE:
            return column <= value
        case Operator.GT:
            return column > value
        case Operator.GE:
            return column >= value
        case Operator.IN:
            return column.in_(value if isinstance(value, list) else [value])
        case Operator.NOT_IN:
            return column.not_in(value if isinstance(value, list) else [value])
        case Operator.LIKE:
            return column.like(str(value))
        case Operator.IS_NULL:
            return column.is_(None)
        case Operator.NOT_NULL:
            return column.is_not(None)


def value_of(column: sa.Column[Any], value: object) -> sa.BindParameter[Any]:
    """Bind a value as one of the column's type, whatever Python's type for it is."""
    return sa.bindparam(None, value, type_=column.type)


def after(columns: Sequence[sa.Column[Any]], position: Sequence[object]) -> sa.ColumnElement[bool]:
    """Return the condition that a row comes after a position in the order of these columns.

    `(a, b) > (1, 2)` is written out, with `a >= 1` in front, because not every database uses an index for row values.
    """
    first, *rest = columns
    value, *values = position
    beyond = first > value_of(first, value)
    if not rest:
        return beyond
    return sa.and_(first >= value_of(first, value), sa.or_(beyond, after(rest, values)))


def _closest(wanted: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(wanted, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" ..." if len(names) > 20 else "") if names else "none"
