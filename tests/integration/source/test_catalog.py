"""What a database holds is found through its own catalog: by bound and quoted names, in pages, without counting rows."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from syncd.errors import NotFound, PermanentError, SyncdError, TransientError
from syncd.model.catalog import IndexEntry, TableKind
from syncd.model.run import RunOptions
from syncd.source.catalog import SqlCatalog
from syncd.source.database import SqlOptions
from tests.tables import execute, session, source

CANARY = "hunter2-canary"
HOSTILE = [
    'a"; DROP TABLE victim; --',
    "a'; DROP TABLE victim; --",
    "a`; DROP TABLE victim; --",
    "100% sure (%s)",
    ":name",
    "sp ace",
    "select",
    "MiXed",
    "../../etc/passwd",
    "naïve 表 ☕",
    "a\\b",
    "{0}",
]


@contextmanager
def catalog(url: str) -> Iterator[SqlCatalog]:
    """Look around in a database."""
    opened = SqlCatalog("shop", SqlOptions(url=SecretStr(url)))
    try:
        yield opened
    finally:
        opened.close()


def make(url: str, *tables: sa.Table) -> None:
    """Make tables, whatever their names."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    for table in tables:
        table.create(engine)


def table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    """A table of that name."""
    return sa.Table(name, sa.MetaData(), *(columns or (sa.Column("id", sa.Integer, primary_key=True),)))


def names(opened: SqlCatalog, schema: str | None = None) -> list[str]:
    """The names of all tables, read in pages of three."""
    found: list[str] = []
    after = None
    while page := opened.tables(schema, after, 3):
        assert len(page) <= 3
        found += [entry.name for entry in page]
        after = page[-1].place
    return found


def test_tables_and_views_come_in_pages_in_the_order_of_their_names(any_url: str) -> None:
    execute(any_url, *(f"CREATE TABLE t{n:02} (id INTEGER PRIMARY KEY)" for n in range(8)))
    execute(any_url, "CREATE VIEW all_of_it AS SELECT * FROM t00")
    with catalog(any_url) as opened:
        assert names(opened) == ["all_of_it", *(f"t{n:02}" for n in range(8))]
        view, first = opened.tables(None, None, 2)
    assert (view.kind, view.rows, first.kind) == (TableKind.VIEW, None, TableKind.TABLE)


def test_hostile_names_are_values_and_identifiers_and_never_sql(any_url: str) -> None:
    make(any_url, table("victim"), *(table(name) for name in HOSTILE))
    with catalog(any_url) as opened:
        assert sorted(names(opened)) == sorted([*HOSTILE, "victim"])
        for name in HOSTILE:
            if "." in name:
                with pytest.raises(NotFound):
                    opened.describe(name)
                continue
            described = opened.describe(name)
            assert (described.entry.name, [column.name for column in described.columns]) == (name, ["id"])
        for schema in HOSTILE:
            assert opened.tables(schema, None, 10) == []
            with pytest.raises(NotFound):
                opened.describe(f"{schema}.victim")
        for name in (
            *HOSTILE,
            "victim' OR '1'='1",
            "%",
            "victim\x00",
            "x" * 10_000,
            "",
            ".",
            "..",
            ".victim.",
            "VICTIM",
        ):
            after = opened.tables(None, ("", name), 3)
            assert all(entry.place > ("", name) for entry in after)
            if name not in HOSTILE:
                with pytest.raises(NotFound):
                    opened.describe(name)
        assert "victim" in names(opened)


def test_hostile_column_names_are_told_as_they_are(any_url: str) -> None:
    # SQLAlchemy itself gets no percent signs into some drivers' DDL, and no backticks out of MariaDB's.
    able = [name for name in HOSTILE if "sqlite" in any_url or not set(name) & set("%`")]
    columns = [sa.Column(name, sa.String(20)) for name in able]
    make(any_url, table("t", sa.Column("id", sa.Integer, primary_key=True), *columns))
    with catalog(any_url) as opened:
        described = opened.describe("t")
    assert [column.name for column in described.columns] == ["id", *(str(column.name) for column in columns)]


CREATE = {
    "sqlite": "CREATE TABLE orders (id INTEGER, line INTEGER, product VARCHAR(40) NOT NULL, photo BLOB,"
    " syncd_x TEXT, updated_at TIMESTAMP, PRIMARY KEY (line, id), UNIQUE (product))",
    "postgresql": "CREATE TABLE orders (id bigint, line integer, product varchar(40) NOT NULL, photo bytea,"
    " syncd_x text, updated_at timestamptz(3), PRIMARY KEY (line, id), UNIQUE (product))",
    "mysql": "CREATE TABLE orders (id BIGINT UNSIGNED, line INTEGER, product VARCHAR(40) NOT NULL, photo LONGBLOB,"
    " syncd_x TEXT, updated_at DATETIME(3), PRIMARY KEY (line, id), UNIQUE (product))",
}
TYPES = {
    "sqlite": ["INTEGER", "INTEGER", "VARCHAR(40)", "BLOB", "TEXT", "TIMESTAMP"],
    "postgresql": ["bigint", "integer", "character varying(40)", "bytea", "text", "timestamp(3) with time zone"],
    "mysql": [r"bigint\(20\) unsigned", r"int\(11\)", r"varchar\(40\)", "longblob", "text", r"datetime\(3\)"],
}


def test_a_table_is_described_with_all_that_a_job_needs(any_url: str) -> None:
    kind = sa.make_url(any_url).get_backend_name()
    execute(any_url, CREATE[kind], "CREATE INDEX by_time ON orders (updated_at, id)")
    with catalog(any_url) as opened:
        assert opened.dialect == kind
        described = opened.describe("orders")
    told = {column.name: column for column in described.columns}
    written = [column.type for column in described.columns]
    assert [bool(re.fullmatch(want, got)) or want == got for want, got in zip(TYPES[kind], written, strict=True)] == [
        True
    ] * 6, written
    assert [told[name].key for name in ("id", "line", "product")] == [2, 1, None]
    assert not told["product"].nullable
    assert told["updated_at"].nullable
    able = {name: (column.filter, column.content, column.metadata) for name, column in told.items()}
    assert able["photo"] == (False, False, False)
    assert able["syncd_x"] == (False, True, False)
    assert able["product"] == able["updated_at"] == able["id"] == (True, True, True)
    assert IndexEntry("by_time", ("updated_at", "id"), unique=False) in described.indexes
    [unique] = [index for index in described.indexes if index.unique]
    assert unique.columns == ("product",)
    assert described.filter_columns == ("updated_at",)
    assert described.content_columns[0] == "product"


def test_a_view_is_described_too(any_url: str) -> None:
    execute(any_url, "CREATE TABLE t (id INTEGER PRIMARY KEY, body VARCHAR(9))", "CREATE VIEW v AS SELECT body FROM t")
    with catalog(any_url) as opened:
        described = opened.describe("v")
    assert (described.entry.kind, described.indexes) == (TableKind.VIEW, ())
    assert [(column.name, column.key) for column in described.columns] == [("body", None)]


def test_rows_are_estimated_from_statistics(any_url: str) -> None:
    rows = ", ".join(f"({n})" for n in range(1, 501))
    execute(any_url, "CREATE TABLE t (id INTEGER PRIMARY KEY)", f"INSERT INTO t VALUES {rows}")
    # SQLite's largest rowid needs no statistics.
    analyze = {"postgresql": "ANALYZE t", "mysql": "ANALYZE TABLE t", "sqlite": "SELECT 1"}
    execute(any_url, analyze[sa.make_url(any_url).get_backend_name()])
    with catalog(any_url) as opened:
        assert opened.tables(None, None, 1)[0].rows == 500
        assert opened.describe("t").entry.rows == 500


def test_sqlite_says_what_it_knows_about_rows_and_nothing_else(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "CREATE TABLE empty (id INTEGER PRIMARY KEY)",
        "CREATE TABLE hidden (rowid TEXT, _rowid_ TEXT, oid TEXT)",
        "INSERT INTO hidden VALUES ('a', 'b', 'c')",
        "CREATE TABLE keyed (id TEXT PRIMARY KEY) WITHOUT ROWID",
        "INSERT INTO keyed VALUES ('a')",
        "CREATE TABLE named (rowid TEXT)",
        "INSERT INTO named VALUES ('x'), ('y')",
        "CREATE VIRTUAL TABLE words USING fts5(body)",
    )
    with catalog(sqlite_url) as opened:
        rows = {entry.name: entry.rows for entry in opened.tables("main", None, 50)}
        assert (rows["empty"], rows["hidden"], rows["keyed"], rows["named"], rows["words"]) == (0, None, None, 2, None)
    execute(sqlite_url, "CREATE INDEX i ON hidden (oid)", "ANALYZE")
    with catalog(sqlite_url) as opened:
        assert {entry.name: entry.rows for entry in opened.tables(None, None, 50)}["hidden"] == 1


def test_sqlite_leaves_out_tables_whose_names_are_no_text(sqlite_url: str, tmp_path: Path) -> None:
    execute(sqlite_url, "CREATE TABLE plain (id INTEGER)", "CREATE TABLE caf_ (id INTEGER)")
    file = tmp_path / "source.db"
    file.write_bytes(file.read_bytes().replace(b"caf_", b"caf\xe9"))
    with catalog(sqlite_url) as opened:
        assert names(opened) == ["plain"]


def test_postgresql_shows_every_schema_that_the_role_may_read(postgres_url: str) -> None:
    execute(
        postgres_url,
        "CREATE SCHEMA sales",
        "CREATE SCHEMA secret",
        "CREATE TABLE public.t (id INTEGER)",
        "CREATE TABLE sales.t (id BIGINT)",
        "CREATE TABLE sales.closed (id BIGINT)",
        "CREATE TABLE secret.t (id INTEGER)",
        "CREATE TABLE sales.parts (id INTEGER) PARTITION BY RANGE (id)",
        "CREATE TABLE sales.parts_1 PARTITION OF sales.parts FOR VALUES FROM (0) TO (100)",
        "INSERT INTO sales.parts SELECT generate_series(1, 40)",
        "ANALYZE sales.parts",
        "DROP ROLE IF EXISTS looker",
        "CREATE ROLE looker LOGIN",
        "GRANT USAGE ON SCHEMA sales TO looker",
        "GRANT SELECT ON sales.t, sales.parts, public.t TO looker",
    )
    url = sa.make_url(postgres_url).set(username="looker").render_as_string(hide_password=False)
    try:
        with catalog(url) as opened:
            found = {entry.place: entry.rows for entry in opened.tables(None, None, 50)}
            assert list(found) == [("public", "t"), ("sales", "parts"), ("sales", "t")]
            assert found["sales", "parts"] == 40
            assert opened.tables("secret", None, 50) == opened.tables("pg_catalog", None, 50) == []
            assert opened.describe("t").columns[0].type == "integer"
            assert opened.describe("sales.t").columns[0].type == "bigint"
            for closed in ("secret.t", "sales.closed", "pg_catalog.pg_authid", "closed"):
                with pytest.raises(NotFound):
                    opened.describe(closed)
    finally:
        execute(postgres_url, "DROP OWNED BY looker", "DROP ROLE looker")


def test_what_may_be_a_filter_column_is_what_a_job_can_read_by(any_url: str) -> None:
    """The catalog says so by the declared type; the source has the last word, and says the same."""
    declared = {
        "sqlite": ["INTEGER", "REAL", "TEXT", "BLOB", "DATETIME", "DATE", "BOOLEAN", "DECIMAL(9,2)", "", "JSON"],
        "postgresql": [
            "smallint", "bigint", "real", "double precision", "numeric(9,2)", "text", "char(3)", "date", "time",
            "timestamp", "timestamptz", "boolean", "bytea", "uuid", "jsonb", "integer[]", "interval", "inet",
            "mood", "money", "tsvector", "int4range", "bit(3)",
        ],
        "mysql": [
            "TINYINT(1)", "BIGINT UNSIGNED", "FLOAT", "DOUBLE", "DECIMAL(9,2)", "TEXT", "CHAR(3)", "DATE", "TIME",
            "DATETIME", "TIMESTAMP NULL", "YEAR", "BLOB", "VARBINARY(8)", "ENUM('a','b')", "JSON", "BIT(3)",
        ],
    }[sa.make_url(any_url).get_backend_name()]  # fmt: skip
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(declared))
    kinds = ["CREATE TYPE mood AS ENUM ('good', 'bad')"] if "mood" in declared else []
    execute(any_url, *kinds, f"CREATE TABLE t (id INTEGER PRIMARY KEY, body VARCHAR(9), {columns})")
    with catalog(any_url) as opened:
        told = {column.name: column.filter for column in opened.describe("t").columns}
    met = {}
    for number in range(len(declared)):
        with source(any_url, filter_column=f"c{number}") as reader:
            try:
                reader.begin(None, RunOptions())
                met[f"c{number}"] = True
            except PermanentError:
                met[f"c{number}"] = False
    wrong = {declared[int(name[1:])]: (told[name], can) for name, can in met.items() if told[name] != can}
    assert wrong in ({}, {"BLOB": (False, True)}), "an empty BLOB column could be anything"


def test_types_of_extensions_and_indexes_over_expressions_do_not_disturb(postgres_url: str) -> None:
    execute(
        postgres_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, spot point, name text)",
        "CREATE INDEX by_lower ON t (lower(name))",
    )
    with catalog(postgres_url) as opened:
        described = opened.describe("t")
    assert [column.type for column in described.columns] == ["integer", "point", "text"]
    assert described.columns[1].filter is False
    assert [index.columns for index in described.indexes] == [("lower(name)",)]


def test_a_view_whose_table_is_gone_is_told_as_such(mariadb_url: str) -> None:
    execute(mariadb_url, "CREATE TABLE t (id INTEGER)", "CREATE VIEW v AS SELECT id FROM t", "DROP TABLE t")
    with catalog(mariadb_url) as opened, pytest.raises(PermanentError, match="mend the view"):
        opened.describe("v")


def test_a_statement_that_waits_is_given_up(postgres_url: str) -> None:
    """A table that somebody holds locked exclusively keeps nobody waiting for longer than the options say."""
    execute(postgres_url, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    options = SqlOptions(url=SecretStr(postgres_url), statement_timeout="1 SECOND")
    opened = SqlCatalog("shop", options)
    with session(postgres_url) as other:
        other.exec_driver_sql("LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TransientError):
            opened.tables(None, None, 1)
        other.rollback()
    assert len(opened.tables(None, None, 10)) == 1
    opened.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:{secret}@127.0.0.1:{port}/db",
        "postgresql://reader@127.0.0.1:{port}/db?password={secret}",
        "postgresql://reader:{secret}@127.0.0.1:{port}/db?nonsense=1",
        "mysql://reader:{secret}@127.0.0.1:{port}/db",
        "mysql://reader:{secret}@127.0.0.1:{port}/db?nonsense=1",
        "oracle://reader:{secret}@127.0.0.1:{port}/db?token={secret}",
        "nonsense://reader:{secret}@127.0.0.1:{port}/db?token={secret}",
        "sqlite:////nowhere/at/all.db",
        "{secret}",
    ],
)
def test_a_database_that_is_down_says_why_and_never_its_password(url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with catalog(url.format(secret=CANARY, port=taken.getsockname()[1])) as opened:
            assert CANARY not in opened.dialect
            for look in (lambda: opened.tables(None, None, 1), lambda: opened.describe("t")):
                with pytest.raises(SyncdError) as raised:
                    look()
                assert isinstance(raised.value, TransientError | PermanentError)
                assert CANARY not in str(raised.value)
