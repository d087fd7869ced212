"""Filter columns and keys of every type keep their exact values, and a second pass reads nothing new."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from syncd.errors import PermanentError
from syncd.model.run import RunOptions
from syncd.model.watermark import Watermark
from tests.tables import execute, keys, read, source

FILTER_TYPES = [
    ("sqlite", "INTEGER", "9007199254740993", "9007199254740995", 9007199254740995),
    ("sqlite", "TIMESTAMP", "'2026-01-01 10:00:00.000001'", "'2026-01-01 10:00:00.000002'", "2026-01-01 10:00:00.000002"),
    ("sqlite", "REAL", "0.1", "0.30000000000000004", Decimal(0.30000000000000004)),
    ("sqlite", "DATE", "'2026-01-01'", "'2026-01-02'", "2026-01-02"),
    ("sqlite", "TEXT", "'alpha'", "'beta'", "beta"),
    ("postgres", "bigint", "9007199254740993", "9007199254740995", 9007199254740995),
    ("postgres", "numeric", "1.000000000000000000001", "1.000000000000000000002", Decimal("1.000000000000000000002")),
    ("postgres", "double precision", "0.1", "0.30000000000000004", Decimal(0.30000000000000004)),
    ("postgres", "timestamp", "'2026-01-01 10:00:00.000001'", "'2026-01-01 10:00:00.000002'", datetime(2026, 1, 1, 10, microsecond=2)),
    ("postgres", "timestamptz", "'2026-01-01 10:00:00.000001+05'", "'2026-01-01 10:00:00.000002+05'", datetime(2026, 1, 1, 5, microsecond=2, tzinfo=UTC)),
    ("postgres", "date", "'2026-01-01'", "'2026-01-02'", date(2026, 1, 2)),
    ("postgres", "text", "'alpha'", "'beta'", "beta"),
    ("postgres", 'varchar(20) COLLATE "C"', "'Z'", "'a'", "a"),
    ("mariadb", "BIGINT UNSIGNED", "9007199254740993", "18446744073709551615", 18446744073709551615),
    ("mariadb", "DECIMAL(30,10)", "1.0000000001", "1.0000000002", Decimal("1.0000000002")),
    ("mariadb", "DOUBLE", "0.1", "0.30000000000000004", Decimal(0.30000000000000004)),
    ("mariadb", "DATETIME(6)", "'2026-01-01 10:00:00.000001'", "'2026-01-01 10:00:00.000002'", datetime(2026, 1, 1, 10, microsecond=2)),
    ("mariadb", "TIMESTAMP(6)", "'2026-01-01 10:00:00.000001'", "'2026-01-01 10:00:00.000002'", datetime(2026, 1, 1, 10, microsecond=2, tzinfo=UTC)),
    ("mariadb", "DATE", "'2026-01-01'", "'2026-01-02'", date(2026, 1, 2)),
    ("mariadb", "VARCHAR(20)", "'alpha'", "'beta'", "beta"),
]  # fmt: skip


@pytest.mark.parametrize(("server", "declared", "first", "last", "expected"), FILTER_TYPES)
def test_the_watermark_is_the_exact_value_and_reads_nothing_new(
    request: pytest.FixtureRequest, server: str, declared: str, first: str, last: str, expected: object
) -> None:
    url = request.getfixturevalue(f"{server}_url")
    execute(
        url,
        "SET time_zone = '+00:00'" if server == "mariadb" else "SELECT 1",
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, f {declared}, body VARCHAR(20))",
        f"INSERT INTO t VALUES (2, {last}, 'b'), (1, {first}, 'a')",
    )
    with source(url, window_rows=1) as opened:
        records, rejects, watermark = read(opened)
        assert keys(records) == [1, 2]
        assert rejects == []
        assert watermark.seen == expected
        assert opened.rows_after(watermark) == 0
        exact = Watermark(watermark.seen)
        current = opened.begin(exact, RunOptions())
        assert current.rows is not None
        assert current.rows >= 1
        again = Watermark.load(exact.dump())
        assert again == exact
        execute(url, f"DELETE FROM t WHERE f <= {last}")
        assert opened.rows_after(again) == 0


@pytest.mark.parametrize(
    ("server", "declared", "literals", "expected"),
    [
        ("sqlite", "TEXT", ["'1'", "'a,b'", "'ü'"], ["1", "a,b", "ü"]),
        ("sqlite", "BLOB", ["x'00ff'", "x'31'"], [b"\x00\xff", b"1"]),
        ("postgres", "text", ["'1'", "'a,b'", "'ü'"], ["1", "a,b", "ü"]),
        ("postgres", "uuid", ["'00000000-0000-0000-0000-000000000001'"], [uuid.UUID(int=1)]),
        ("postgres", "bytea", [r"'\x00ff'", r"'\x31'"], [b"\x00\xff", b"1"]),
        ("postgres", "timestamptz", ["'2026-01-01 00:00+00'"], [datetime(2026, 1, 1, tzinfo=UTC)]),
        ("mariadb", "VARCHAR(40)", ["'1'", "'a,b'", "'ü'"], ["1", "a,b", "ü"]),
        ("mariadb", "BINARY(2)", ["x'00ff'", "x'3131'"], [b"\x00\xff", b"11"]),
        ("mariadb", "DECIMAL(10,2)", ["1.50"], [Decimal("1.50")]),
    ],
)
def test_keys_of_every_type_page_and_identify(
    request: pytest.FixtureRequest, server: str, declared: str, literals: list[str], expected: list[object]
) -> None:
    url = request.getfixturevalue(f"{server}_url")
    execute(
        url,
        f"CREATE TABLE t (k {declared} PRIMARY KEY, f INTEGER, body VARCHAR(20))",
        *(f"INSERT INTO t VALUES ({literal}, 7, 'x')" for literal in literals),
    )
    with source(url, window_rows=1) as opened:
        records, rejects, _ = read(opened)
    assert rejects == []
    assert sorted(keys(records), key=str) == sorted(expected, key=str)
    assert len({record.document_id for record in records}) == len(literals)


def test_composite_keys_are_read_in_their_declared_order(any_url: str) -> None:
    execute(
        any_url,
        "CREATE TABLE t (a INTEGER, b VARCHAR(10), f INTEGER, body VARCHAR(20), PRIMARY KEY (b, a))",
        "INSERT INTO t VALUES (1, 'x', 1, 'r'), (2, 'x', 1, 's'), (1, 'y', 1, 't')",
    )
    with source(any_url, window_rows=1) as opened:
        records, _, _ = read(opened)
    assert [record.key for record in records] == [("x", 1), ("x", 2), ("y", 1)]
    assert [record.document_id for record in records] == ['db.t:"x",1', 'db.t:"x",2', 'db.t:"y",1']


def test_a_view_is_read_by_its_key_columns(any_url: str) -> None:
    execute(
        any_url,
        "CREATE TABLE base (id INTEGER PRIMARY KEY, f INTEGER, body VARCHAR(20))",
        "INSERT INTO base VALUES (1, 1, 'a'), (2, 2, 'b')",
        "CREATE VIEW t AS SELECT id, f, body FROM base",
    )
    with source(any_url) as opened, pytest.raises(PermanentError, match="set key_columns"):
        read(opened)
    with source(any_url, key_columns=["id"], window_rows=1) as opened:
        records, _, _ = read(opened)
        assert keys(records) == [1, 2]
        assert any("unique" in warning for warning in opened.begin(None, RunOptions()).warnings)


def test_awkward_identifiers_are_quoted(any_url: str) -> None:
    quote = "`{}`" if "mysql" in any_url else '"{}"'
    table, key, stamp, text = (quote.format(name) for name in ("Order's; Größe", "select", "last change", "From"))
    execute(
        any_url,
        f"CREATE TABLE {table} ({key} INTEGER PRIMARY KEY, {stamp} INTEGER, {text} VARCHAR(20))",
        f"INSERT INTO {table} VALUES (1, 1, 'a')",
    )
    with source(
        any_url, source_table="db.Order's; Größe", filter_column="last change", content_columns=["From"]
    ) as opened:
        records, _, _ = read(opened)
    assert [record.text for record in records] == ["From: a"]
    assert records[0].document_id == "db.Order%27s%3B%20Gr%C3%B6%C3%9Fe:1"


def test_a_schema_is_named_between_database_and_table(postgres_url: str) -> None:
    execute(
        postgres_url,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)",
        "INSERT INTO sales.t VALUES (1, 1, 'a')",
    )
    with source(postgres_url, source_table="db.sales.t") as opened:
        records, _, _ = read(opened)
    assert records[0].document_id == "db.sales.t:1"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source_table": "db.tt"}, "did you mean 't'"),
        ({"content_columns": ["bodi"]}, "did you mean 'body'"),
        ({"filter_column": "g"}, "filter_column: db.t has no column 'g'"),
        ({"metadata_columns": ["nothing"]}, "metadata_columns: db.t has no column 'nothing'"),
        ({"filters": [{"column": "nope", "op": "eq", "value": 1}]}, "filters: db.t has no column 'nope'"),
        ({"deletes": {"mode": "soft", "column": "gone"}}, "deletes.column: db.t has no column 'gone'"),
        ({"key_columns": ["kk"]}, "key_columns: db.t has no column 'kk'"),
        ({"lookback": "5 MINUTES"}, "write 1000"),
    ],
)
def test_what_does_not_exist_is_named_with_what_would_do(any_url: str, fields: dict[str, object], message: str) -> None:
    execute(
        any_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body VARCHAR(20))",
        "INSERT INTO t VALUES (1, 1, 'a')",
    )
    with source(any_url, **fields) as opened, pytest.raises(PermanentError, match=message):
        read(opened)


def test_all_missing_columns_are_told_at_once(sqlite_url: str) -> None:
    execute(sqlite_url, "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)")
    with (
        source(sqlite_url, content_columns=["x"], metadata_columns=["y"]) as opened,
        pytest.raises(PermanentError) as info,
    ):
        read(opened)
    assert "'x'" in info.value.message
    assert "'y'" in info.value.message


def test_a_float_that_cannot_be_compared_is_refused(mariadb_url: str) -> None:
    execute(mariadb_url, "CREATE TABLE t (id INTEGER PRIMARY KEY, f FLOAT, body TEXT)")
    with source(mariadb_url) as opened, pytest.raises(PermanentError, match="double precision"):
        read(opened)


def test_a_missing_sqlite_file_is_not_made(sqlite_url: str) -> None:
    with source(sqlite_url) as opened, pytest.raises(PermanentError, match="there is no file"):
        read(opened)
    assert (
        not sa.make_url(sqlite_url).database
        or not __import__("pathlib").Path(str(sa.make_url(sqlite_url).database)).exists()
    )


def test_a_column_that_changed_its_type_starts_over(postgres_url: str) -> None:
    execute(
        postgres_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)",
        "INSERT INTO t VALUES (1, 5, 'a')",
    )
    with source(postgres_url) as opened:
        read(opened)
        execute(postgres_url, "ALTER TABLE t ALTER f TYPE timestamptz USING to_timestamp(f)")
        records, _, watermark = read(opened, Watermark(5))
    assert keys(records) == [1]
    assert watermark.value == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
