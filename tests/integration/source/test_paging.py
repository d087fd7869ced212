"""Every row exactly once, in order, whatever the ties, the window size and the database."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.errors import PermanentError
from syncd.model.run import RunOptions
from tests.tables import execute, keys, read, source

rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(rows=rows, window=st.integers(1, 7))
def test_each_row_is_in_exactly_one_window(rows: list[tuple[int, int, int]], window: int) -> None:
    rows = list({row[1:]: row for row in rows}.values())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (f INTEGER, a INTEGER, b INTEGER, body TEXT, PRIMARY KEY (a, b))")
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, 'x')", rows)
        connection.close()
        with source(f"sqlite:///{path}", window_rows=window) as opened:
            current = opened.begin(None, RunOptions())
            windows = list(opened.windows(current))
            assert all(item.rows <= window for item in windows)
            assert [record.key for item in windows for record in item.records] == [(a, b) for _, a, b in sorted(rows)]


@pytest.mark.parametrize("window", [1, 3, 100, 1000])
def test_a_thousand_equal_stamps_are_paged_by_key(any_url: str, window: int) -> None:
    execute(any_url, "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body VARCHAR(20))")
    values = ", ".join(f"({n}, 5, 'row {n}')" for n in range(1, 1001 if window > 1 else 51))
    execute(any_url, f"INSERT INTO t VALUES {values}")
    with source(any_url, window_rows=window) as opened:
        records, rejects, _ = read(opened)
    assert keys(records) == list(range(1, 1001 if window > 1 else 51))
    assert rejects == []


def test_a_row_stamped_anew_between_two_windows_stays_for_the_next_pass(any_url: str) -> None:
    execute(
        any_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body VARCHAR(20))",
        "INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')",
    )
    with source(any_url, window_rows=1) as opened:
        windows = opened.windows(opened.begin(None, RunOptions()))
        first = next(windows)
        execute(any_url, "UPDATE t SET f = 10, body = 'B' WHERE id = 2", "INSERT INTO t VALUES (4, 11, 'd')")
        rest = [record for window in windows for record in window.records]
        assert keys([*first.records, *rest]) == [1, 3]
        records, _, _ = read(opened, None)
        assert [(record.key[0], record.text) for record in records][-2:] == [(2, "body: B"), (4, "body: d")]


def test_limit_stops_after_that_many_rows(any_url: str) -> None:
    execute(
        any_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body VARCHAR(20))",
        "INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')",
    )
    with source(any_url, window_rows=1) as opened:
        records, _, _ = read(opened, None, RunOptions(limit=2))
    assert keys(records) == [1, 2]


def test_a_window_ends_early_when_its_rows_are_huge(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 16) "
        "INSERT INTO t SELECT i, i, replace(hex(zeroblob(5000000)), '00', 'xy') FROM n",
    )
    with source(sqlite_url) as opened:
        sizes = [window.rows for window in opened.windows(opened.begin(None, RunOptions()))]
    assert sum(sizes) == 16
    assert max(sizes) < 16


def test_rows_out_of_order_fail_loudly(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)",
        "INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b')",
    )
    with source(sqlite_url) as opened:
        opened.begin(None, RunOptions())
        table = opened._open
        assert table is not None
        table.check_order([(1, 1, "a"), (2, 2, "b"), (2, 3, "c")])
        with pytest.raises(PermanentError, match="does not come in the order"):
            table.check_order([(2, 2, "b"), (1, 1, "a")])
        with pytest.raises(PermanentError, match="does not come in the order"):
            table.check_order([(2, 2, "b"), (2, 1, "a")])
