"""Looks around in a database for somebody who chooses what to sync. It reads statistics and definitions, never rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import sqltypes

from syncd.errors import NotFound, PermanentError
from syncd.model.catalog import ColumnEntry, IndexEntry, TableDescription, TableEntry
from syncd.source.database import Database, SqlOptions
from syncd.source.listing import LISTINGS, InspectorListing, Listing
from syncd.source.suggestion import suggested_content, suggested_filters

PATIENCE = timedelta(seconds=10)
"""How long the database may take to answer one statement: somebody waits for it."""

_LONGEST_NAME = 255
_RESERVED = "syncd_"


class SqlCatalog:
    """The tables and views of a database that SQLAlchemy can reach. See `syncd.ports.Catalog` for what it promises.

    Args:
        name: what the configuration calls the database.
        options: where it is.
    """

    def __init__(self, name: str, options: SqlOptions) -> None:
        self._name = name
        self._options = options

    @property
    def dialect(self) -> str:
        try:
            return sa.make_url(self._options.url.get_secret_value()).get_backend_name()
        except sa.exc.ArgumentError:
            return "unknown"

    def tables(self, schema: str | None, after: tuple[str, str] | None, limit: int) -> list[TableEntry]:
        if not all(_can_be_named(name) for name in (schema, *(after or ())) if name):
            return []
        with self._database.connect() as connection:
            return self._listing.tables(connection, schema, after, limit)

    def describe(self, table: str) -> TableDescription:
        schema, _, name = table.rpartition(".")
        missing = NotFound(
            f"there is no table {table[:128]!r} in the database {self._name}",
            f"GET /v1/databases/{self._name}/tables lists those that can be read",
        )
        if not (_can_be_named(name) and _can_be_named(schema or name)):
            raise missing
        with self._database.connect() as connection:
            entry = self._listing.find(connection, schema or None, name)
            if entry is None:
                raise missing
            try:
                return self._describe(connection, entry)
            except sa.exc.NoSuchTableError as error:
                raise missing from error
            except sa.exc.UnreflectableTableError as error:
                raise PermanentError(f"{table} cannot be looked at: {error}", "mend the view") from error

    def close(self) -> None:
        if "_database" in self.__dict__:
            self._database.close()

    @cached_property
    def _database(self) -> Database:
        return Database(self._name, self._options, PATIENCE)

    @property
    def _listing(self) -> Listing:
        return LISTINGS.get(self.dialect, InspectorListing())

    def _describe(self, connection: sa.Connection, entry: TableEntry) -> TableDescription:
        with warnings.catch_warnings():
            # Types of extensions, and indexes over expressions, that SQLAlchemy does not know.
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            inspector = sa.inspect(connection)
            columns = inspector.get_columns(entry.name, entry.schema)
            key = inspector.get_pk_constraint(entry.name, entry.schema)["constrained_columns"]
            indexes = _indexes(inspector, entry)
        types = self._listing.types(connection, entry)
        shown = tuple(self._column(column, key, types) for column in columns)
        fitting = {column.name for column in shown if column.filter}
        return TableDescription(
            entry,
            shown,
            indexes,
            filter_columns=tuple(name for name in suggested_filters(columns, key) if name in fitting),
            content_columns=suggested_content(columns, key),
        )

    def _column(self, column: Any, key: Sequence[str], types: Mapping[str, str]) -> ColumnEntry:
        name, declared = str(column["name"]), column["type"]
        usable = 0 < len(name) <= _LONGEST_NAME
        readable = usable and not isinstance(declared, sqltypes._Binary)
        free = not name.startswith(_RESERVED)
        return ColumnEntry(
            name=name,
            type=types.get(name, ""),
            nullable=bool(column["nullable"]),
            key=list(key).index(name) + 1 if name in key else None,
            filter=usable and free and self._database.dialect.may_filter(declared),
            content=readable,
            metadata=readable and free,
        )


def _indexes(inspector: sa.Inspector, entry: TableEntry) -> tuple[IndexEntry, ...]:
    """Return indexes and, where the database keeps them apart, unique constraints."""
    found = [
        IndexEntry(index["name"], tuple(index.get("expressions") or map(str, index["column_names"])), index["unique"])
        for index in inspector.get_indexes(entry.name, entry.schema)
    ]
    known = {(index.columns, index.unique) for index in found}
    for constraint in inspector.get_unique_constraints(entry.name, entry.schema):
        columns = tuple(constraint["column_names"])
        if (columns, True) not in known:
            found.append(IndexEntry(constraint["name"], columns, unique=True))
    return tuple(found)


def _can_be_named(name: str) -> bool:
    """Tell whether a database could hold a table of that name at all."""
    return 0 < len(name) <= _LONGEST_NAME and "\x00" not in name
