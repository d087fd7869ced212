"""Finds tables and views through each database's own catalog: a page at a time, and without counting rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import sqlalchemy as sa

from syncd.model.catalog import TableEntry, TableKind

Place = tuple[str, str]


class Listing(Protocol):
    """How one kind of database is asked for its tables; every name is a bound value."""

    def tables(
        self, connection: sa.Connection, schema: str | None, after: Place | None, limit: int
    ) -> list[TableEntry]:
        """Return the tables and views of a schema, or of all that the role may read, in the order of their places."""
        ...

    def find(self, connection: sa.Connection, schema: str | None, name: str) -> TableEntry | None:
        """Return the table of that name; without a schema the one that a job's `database.table` means."""
        ...

    def types(self, connection: sa.Connection, entry: TableEntry) -> Mapping[str, str]:
        """Return the type of each column as the database writes it."""
        ...


class InspectorListing:
    """A database of which nothing special is known: one schema at a time, no statistics."""

    def tables(
        self, connection: sa.Connection, schema: str | None, after: Place | None, limit: int
    ) -> list[TableEntry]:
        return _page(self._all(connection, schema), after, limit)

    def find(self, connection: sa.Connection, schema: str | None, name: str) -> TableEntry | None:
        return next((entry for entry in self._all(connection, schema) if entry.name == name), None)

    def types(self, connection: sa.Connection, entry: TableEntry) -> Mapping[str, str]:
        columns = sa.inspect(connection).get_columns(entry.name, entry.schema)
        return {column["name"]: str(column["type"]) for column in columns}

    def _all(self, connection: sa.Connection, schema: str | None) -> list[TableEntry]:
        inspector = sa.inspect(connection)
        shown = schema or inspector.default_schema_name
        views = [TableEntry(shown, name, TableKind.VIEW, None) for name in inspector.get_view_names(schema)]
        return views + [TableEntry(shown, name, TableKind.TABLE, None) for name in inspector.get_table_names(schema)]


_POSTGRESQL = """
    SELECT CAST(n.nspname AS text), CAST(c.relname AS text), c.relkind IN ('v', 'm'), CASE
        WHEN c.relkind = 'p' THEN (
            SELECT CASE WHEN bool_and(leaf.reltuples >= 0) THEN CAST(sum(leaf.reltuples) AS bigint) END
            FROM pg_partition_tree(c.oid) part JOIN pg_class leaf ON leaf.oid = part.relid WHERE part.isleaf)
        WHEN c.relkind <> 'v' AND c.reltuples >= 0 THEN CAST(c.reltuples AS bigint) END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND left(CAST(n.nspname AS text), 3) <> 'pg_' AND n.nspname <> 'information_schema'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
"""


class PostgreSqlListing:
    """Names and statistics out of pg_class, of what the role may read; partitions are part of their table."""

    def tables(
        self, connection: sa.Connection, schema: str | None, after: Place | None, limit: int
    ) -> list[TableEntry]:
        query = f"{_POSTGRESQL} AND NOT c.relispartition"
        query += "" if schema is None else " AND n.nspname = :schema"
        order = 'CAST(n.nspname AS text) COLLATE "C", CAST(c.relname AS text) COLLATE "C"'
        query += "" if after is None else f" AND ({order}) > (:after_schema, :after_name)"
        rows = connection.execute(sa.text(f"{query} ORDER BY {order} LIMIT :limit"), _bound(schema, after, limit))
        return [_entry(*row) for row in rows]

    def find(self, connection: sa.Connection, schema: str | None, name: str) -> TableEntry | None:
        place = "pg_table_is_visible(c.oid)" if schema is None else "n.nspname = :schema"
        query = sa.text(f"{_POSTGRESQL} AND {place} AND c.relname = :name")
        row = connection.execute(query, {"name": name} | _bound(schema)).one_or_none()
        return None if row is None else _entry(*row)

    def types(self, connection: sa.Connection, entry: TableEntry) -> Mapping[str, str]:
        query = sa.text("""
            SELECT CAST(a.attname AS text), format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = :schema AND c.relname = :name AND a.attnum > 0 AND NOT a.attisdropped""")
        return _types(connection.execute(query, {"schema": entry.schema, "name": entry.name}))


_MYSQL = """
    SELECT table_schema, table_name, table_type = 'VIEW' FROM information_schema.tables
    WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW')
      AND table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
"""
# Names are compared as bytes: the catalog's own collation takes other spellings for the same name.
_MYSQL_ORDER = "CAST(table_schema AS BINARY), CAST(table_name AS BINARY)"
_MYSQL_SCHEMA = " AND table_schema = :schema AND CAST(table_schema AS BINARY) = CAST(:schema AS BINARY)"
_MYSQL_NAME = " AND table_name = :name AND CAST(table_name AS BINARY) = CAST(:name AS BINARY)"


class MySqlListing:
    """Names out of the information schema; statistics one table after the other, since asking opens each of them."""

    def tables(
        self, connection: sa.Connection, schema: str | None, after: Place | None, limit: int
    ) -> list[TableEntry]:
        query = _MYSQL + ("" if schema is None else _MYSQL_SCHEMA)
        if after is not None:
            query += f" AND ({_MYSQL_ORDER}) > (CAST(:after_schema AS BINARY), CAST(:after_name AS BINARY))"
        query += f" ORDER BY {_MYSQL_ORDER} LIMIT :limit"
        rows = connection.execute(sa.text(query), _bound(schema, after, limit)).all()
        return [self._with_rows(connection, *row) for row in rows]

    def find(self, connection: sa.Connection, schema: str | None, name: str) -> TableEntry | None:
        query = _MYSQL + (" AND table_schema = DATABASE()" if schema is None else _MYSQL_SCHEMA) + _MYSQL_NAME
        row = connection.execute(sa.text(query), {"name": name} | _bound(schema)).one_or_none()
        return None if row is None else self._with_rows(connection, *row)

    def types(self, connection: sa.Connection, entry: TableEntry) -> Mapping[str, str]:
        query = "SELECT column_name, column_type FROM information_schema.columns WHERE TRUE"
        bound = {"schema": entry.schema, "name": entry.name}
        return _types(connection.execute(sa.text(query + _MYSQL_SCHEMA + _MYSQL_NAME), bound))

    def _with_rows(self, connection: sa.Connection, schema: str, name: str, is_view: bool) -> TableEntry:
        query = "SELECT table_rows FROM information_schema.tables WHERE TRUE"
        bound = {"schema": schema, "name": name}
        rows = None if is_view else connection.execute(sa.text(query + _MYSQL_SCHEMA + _MYSQL_NAME), bound).scalar()
        return _entry(schema, name, is_view, rows)


class SqliteListing:
    """Names out of sqlite_master; statistics as ANALYZE left them, else the largest rowid."""

    def tables(
        self, connection: sa.Connection, schema: str | None, after: Place | None, limit: int
    ) -> list[TableEntry]:
        return self._with_rows(connection, _page(self._all(connection, schema), after, limit))

    def find(self, connection: sa.Connection, schema: str | None, name: str) -> TableEntry | None:
        found = [entry for entry in self._all(connection, schema) if entry.name == name]
        return next(iter(self._with_rows(connection, found)), None)

    def types(self, connection: sa.Connection, entry: TableEntry) -> Mapping[str, str]:
        query = sa.text("SELECT name, type FROM pragma_table_xinfo(:name)")
        return _types(connection.execute(query, {"name": entry.name}))

    def _all(self, connection: sa.Connection, schema: str | None) -> list[TableEntry]:
        if schema not in {None, "main"}:
            return []
        query = sa.text(
            "SELECT name, type = 'view' FROM sqlite_master "
            "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        )
        return [_entry(None, name, is_view, None) for name, is_view in connection.execute(query) if _is_unicode(name)]

    def _with_rows(self, connection: sa.Connection, entries: list[TableEntry]) -> list[TableEntry]:
        analyzed = _analyzed(connection)
        return [
            entry
            if entry.kind is TableKind.VIEW
            else replace(entry, rows=analyzed.get(entry.name) or _largest_rowid(connection, entry.name))
            for entry in entries
        ]


def _analyzed(connection: sa.Connection) -> Mapping[str, int]:
    """Return how many rows tables had when ANALYZE last looked."""
    try:
        rows = connection.execute(sa.text("SELECT tbl, stat FROM sqlite_stat1")).all()
    except sa.exc.OperationalError:
        return {}
    first = {table: str(stat).split(" ")[0] for table, stat in rows}
    return {table: int(count) for table, count in first.items() if count.isdecimal()}


def _largest_rowid(connection: sa.Connection, table: str) -> int | None:
    """Return the largest rowid, which SQLite finds without reading the table; None for a table without rowids."""
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    if str(connection.execute(query, {"name": table}).scalar()).upper().startswith("CREATE VIRTUAL"):
        return None
    query = sa.text("SELECT lower(name) FROM pragma_table_xinfo(:name)")
    columns = set(connection.execute(query, {"name": table}).scalars())
    alias = next((name for name in ("rowid", "_rowid_", "oid") if name not in columns), None)
    if alias is None:
        return None
    largest: sa.Select[Any] = sa.select(sa.func.max(sa.literal_column(alias))).select_from(sa.table(table))
    try:
        return int(connection.execute(largest).scalar() or 0)
    except sa.exc.OperationalError:
        return None


LISTINGS: Mapping[str, Listing] = {
    "postgresql": PostgreSqlListing(),
    "mysql": MySqlListing(),
    "mariadb": MySqlListing(),
    "sqlite": SqliteListing(),
}
"""What to use for each, by SQLAlchemy's name for it."""


def _page(entries: Iterable[TableEntry], after: Place | None, limit: int) -> list[TableEntry]:
    later = [entry for entry in entries if after is None or entry.place > after]
    return sorted(later, key=lambda entry: entry.place)[:limit]


def _bound(schema: str | None, after: Place | None = None, limit: int | None = None) -> dict[str, Any]:
    values: dict[str, Any] = {} if schema is None else {"schema": schema}
    if after is not None:
        values |= {"after_schema": after[0], "after_name": after[1]}
    return values if limit is None else values | {"limit": limit}


def _entry(schema: str | None, name: str, is_view: object, rows: int | None) -> TableEntry:
    return TableEntry(schema, name, TableKind.VIEW if is_view else TableKind.TABLE, rows)


def _types(rows: Iterable[Any]) -> Mapping[str, str]:
    return {name: declared for name, declared in rows}  # noqa: C416 - rows of the driver's own kind


def _is_unicode(name: str) -> bool:
    # A name that is not valid Unicode cannot be asked for, and no job can name it.
    return name.encode("utf-8", "replace").decode("utf-8") == name
