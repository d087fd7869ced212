"""What rows become: texts, metadata, removals, and quarantine for those that cannot be synced."""

from __future__ import annotations

import pytest

from syncd.errors import PermanentError, SyncError, TransientError
from syncd.model.record import Removal
from syncd.model.run import RunOptions
from syncd.model.watermark import Watermark
from tests.tables import execute, keys, read, session, source

PLAIN = "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body VARCHAR(50), extra VARCHAR(50), price DECIMAL(10,2))"


def test_content_is_one_line_for_each_column_that_holds_something(any_url: str) -> None:
    execute(
        any_url, PLAIN, "INSERT INTO t VALUES (1, 1, 'a', NULL, 1.50), (2, 2, NULL, '  ', NULL), (3, 3, '', 'e', 2)"
    )
    with source(any_url, content_columns=["body", "extra"], metadata_columns=["price"]) as opened:
        records, _, _ = read(opened)
    assert [record.text for record in records] == ["body: a", "", "extra: e"]
    prices = [record.metadata["price"] for record in records]
    assert prices == ([1.5, None, 2] if "sqlite" in any_url else ["1.50", None, "2.00"])
    assert [record.metadata["f"] for record in records] == [1, 2, 3]


def test_a_template_writes_the_text(any_url: str) -> None:
    execute(any_url, PLAIN, "INSERT INTO t VALUES (1, 1, 'a', NULL, 1), (2, 2, NULL, NULL, 1)")
    with source(any_url, content_columns=["body", "extra"], template="{body} {{costs}}: {extra}") as opened:
        records, _, _ = read(opened)
    assert [record.text for record in records] == ["a {costs}: ", ""]


def test_rows_outside_the_filters_are_read_as_removed(any_url: str) -> None:
    execute(any_url, PLAIN, "INSERT INTO t VALUES (1, 1, 'a', 'EU', 1), (2, 2, 'b', 'US', 2), (3, 3, 'c', NULL, 3)")
    filters = [{"column": "extra", "op": "in", "value": ["EU", "UK"]}, {"column": "price", "op": "lt", "value": 3}]
    with source(any_url, filters=filters) as opened:
        records, _, _ = read(opened)
    assert [record.removed for record in records] == [None, Removal.FILTERED, Removal.FILTERED]


@pytest.mark.parametrize(
    ("op", "value", "kept"),
    [("eq", "b", [2]), ("ne", "b", [1, 3]), ("gt", "a", [2, 3]), ("ge", "b", [2, 3]), ("le", "b", [1, 2]),
     ("not_in", ["a", "c"], [2]), ("like", "%b%", [2]), ("not_null", None, [1, 2, 3]), ("is_null", None, [4])],
)  # fmt: skip
def test_every_operator_compares_in_the_database(sqlite_url: str, op: str, value: object, kept: list[int]) -> None:
    execute(
        sqlite_url,
        PLAIN,
        "INSERT INTO t (id, f, body, extra) VALUES (1,1,'x','a'), (2,2,'x','b'), (3,3,'x','c'), (4,4,'x',NULL)",
    )
    with source(sqlite_url, filters=[{"column": "extra", "op": op, "value": value}]) as opened:
        records, _, _ = read(opened)
    assert [record.key[0] for record in records if not record.removed] == kept


def test_a_filter_value_is_never_sql(any_url: str) -> None:
    execute(any_url, PLAIN, "INSERT INTO t VALUES (1, 1, 'a', 'EU', 1)")
    hostile = "x' OR 1=1; DROP TABLE t; --"
    with source(any_url, filters=[{"column": "extra", "op": "eq", "value": hostile}]) as opened:
        records, _, _ = read(opened)
        assert [record.removed for record in records] == [Removal.FILTERED]
        assert len(read(opened)[0]) == 1


@pytest.mark.parametrize(
    ("declared", "marked", "unmarked"),
    [("BOOLEAN", "TRUE", "FALSE"), ("TIMESTAMP NULL", "'2026-01-01 00:00:00'", "NULL"), ("INTEGER", "1", "0")],
)
def test_soft_deleted_rows_are_read_as_removed(any_url: str, declared: str, marked: str, unmarked: str) -> None:
    execute(
        any_url,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body VARCHAR(20), gone {declared})",
        f"INSERT INTO t VALUES (1, 1, 'a', {marked}), (2, 2, 'b', {unmarked})",
    )
    with source(any_url, deletes={"mode": "soft", "column": "gone"}) as opened:
        records, _, _ = read(opened)
    assert [record.removed for record in records] == [Removal.DELETED, None]


def test_times_that_python_cannot_hold_cost_one_row_each(postgres_url: str) -> None:
    execute(
        postgres_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f timestamptz, body TEXT)",
        "INSERT INTO t SELECT n, '2026-01-01', 'row' FROM generate_series(1, 997) n",
        "INSERT INTO t VALUES (998, 'infinity', 'x'), (999, '-infinity', 'x'), (1000, '0044-03-15 BC', 'x')",
    )
    with source(postgres_url, window_rows=100) as opened:
        records, rejects, watermark = read(opened)
        assert sorted(keys(records), key=str) == sorted(range(1, 998), key=str)
        assert sorted(reject.key for reject in rejects) == ["1000", "998", "999"]
        assert all("outside the years" in reject.reason for reject in rejects)
        assert str(watermark) == "2026-01-01T00:00:00+00:00"


def test_odd_values_in_the_content_are_text(postgres_url: str) -> None:
    execute(
        postgres_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, a timestamptz, b time, c interval, d jsonb, e int[], g date)",
        "INSERT INTO t VALUES (1, 1, 'infinity', '24:00', '100000000 years', '{\"k\": [1, \"ü\"]}', '{1,2}', '20000-01-01')",
    )
    with source(postgres_url, content_columns=["a", "b", "c", "d", "e", "g"]) as opened:
        records, rejects, _ = read(opened)
    assert rejects == []
    assert records[0].text.splitlines() == [
        "a: infinity", "b: 24:00:00", "c: 100000000 years", 'd: {"k":[1,"ü"]}', "e: [1,2]", "g: 20000-01-01",
    ]  # fmt: skip


def test_text_that_is_not_unicode_is_quarantined_alone(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)",
        "INSERT INTO t VALUES (1, 1, 'fine'), (2, 2, CAST(x'ff41' AS TEXT)), (3, 3, 'nul' || char(0) || 'in')",
    )
    with source(sqlite_url) as opened:
        records, rejects, _ = read(opened)
    assert keys(records) == [1, 3]
    assert [(reject.key, "Unicode" in reject.reason) for reject in rejects] == [("2", True)]


def test_null_keys_and_repeated_keys_are_quarantined(any_url: str) -> None:
    execute(
        any_url,
        "CREATE TABLE base (id INTEGER, f INTEGER, body VARCHAR(20))",
        "INSERT INTO base VALUES (1, 1, 'a'), (NULL, 2, 'b'), (3, 3, 'c'), (3, 4, 'd')",
        "CREATE VIEW t AS SELECT * FROM base",
    )
    with source(any_url, key_columns=["id"]) as opened:
        records, rejects, _ = read(opened)
    assert [record.text for record in records] == ["body: a", "body: c"]
    assert sorted(reject.reason for reject in rejects) == ["a key column is NULL", "another row has the same key"]


def test_rows_without_a_filter_value_are_not_read_but_counted(any_url: str) -> None:
    execute(any_url, PLAIN, "INSERT INTO t (id, f, body) VALUES (1, NULL, 'never'), (2, 2, 'b')")
    with source(any_url) as opened:
        records, _, _ = read(opened)
        assert keys(records) == [2]
        assert opened.report(None).null_filter_values == 1
        execute(any_url, "UPDATE t SET f = 3 WHERE id = 1")
        assert keys(read(opened)[0]) == [2, 1]


def test_the_glance_changes_exactly_when_rows_do(any_url: str) -> None:
    execute(any_url, PLAIN, "INSERT INTO t (id, f, body) VALUES (1, 1, 'a'), (2, 2, 'b')")
    with source(any_url) as opened:

        def glance() -> str:
            return opened.begin(Watermark(2), RunOptions()).glance

        first = glance()
        assert glance() == first
        seen = {first}
        for change in (
            "INSERT INTO t (id, f, body) VALUES (3, 3, 'c')",
            "UPDATE t SET f = 4 WHERE id = 1",
            "DELETE FROM t WHERE id = 2",
        ):
            execute(any_url, change)
            seen.add(glance())
        assert len(seen) == 4


@pytest.mark.parametrize(("initial", "expected"), [("beginning", [1, 2, 3]), (2, [2, 3]), ("2", [2, 3]), ("now", [3])])
def test_initial_decides_where_the_first_pass_begins(any_url: str, initial: object, expected: list[int]) -> None:
    execute(any_url, PLAIN, "INSERT INTO t (id, f, body) VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')")
    with source(any_url, initial=initial, lookback=0) as opened:
        records, _, _ = read(opened)
    assert keys(records) == expected


def test_an_initial_value_of_another_type_is_refused(any_url: str) -> None:
    execute(any_url, PLAIN, "INSERT INTO t (id, f, body) VALUES (1, 1, 'a')")
    with source(any_url, initial="yesterday") as opened, pytest.raises(PermanentError, match="initial: 'yesterday'"):
        read(opened)


def test_a_source_that_dies_in_mid_read_raises_and_does_not_end(postgres_url: str) -> None:
    execute(
        postgres_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)",
        "INSERT INTO t SELECT n, n, 'row' FROM generate_series(1, 500) n",
    )
    with source(postgres_url, window_rows=100) as opened, session(postgres_url) as admin:
        windows = opened.windows(opened.begin(None, RunOptions()))
        next(windows)
        admin.exec_driver_sql("ALTER TABLE t RENAME TO elsewhere")
        admin.commit()
        with pytest.raises(PermanentError, match="refused the query"):
            next(windows)


def test_a_database_that_is_down_is_a_failure_that_may_pass() -> None:
    with source("postgresql://nobody:canary-secret@127.0.0.1:1/none") as opened, pytest.raises(TransientError) as info:
        read(opened)
    assert "canary-secret" not in str(info.value)
    assert "127.0.0.1:1" in str(info.value)


def test_the_source_is_read_only(any_url: str) -> None:
    execute(any_url, PLAIN)
    with source(any_url) as opened:
        with pytest.raises(SyncError, match=r"(?i)read.?only"), opened._connect() as connection:
            connection.exec_driver_sql("INSERT INTO t (id, f) VALUES (1, 1)")


def test_a_report_tells_what_a_person_has_to_know(any_url: str) -> None:
    execute(
        any_url,
        PLAIN,
        "INSERT INTO t (id, f, body, extra) VALUES (1, 1, 'abcd', NULL), (2, 2, 'ab', 'x')",
        "CREATE INDEX by_f ON t (f)",
    )
    with source(any_url, content_columns=["body", "extra"]) as opened:
        report = opened.report(None)
    assert (report.key, report.filter_column, report.filter_type, report.indexed) == (("id",), "f", "integer", True)
    assert report.rows_ahead == 2
    assert [(column.name, column.null_share, column.mean_length, column.longest) for column in report.profile] == [
        ("body", 0.0, 3.0, 4),
        ("extra", 0.5, 1.0, 1),
    ]
