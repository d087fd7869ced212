"""SQLite orders times by their characters; a column is read only when that is the order of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from syncd.errors import PermanentError
from syncd.model.run import RunOptions
from tests.tables import execute, keys, read, source

FORMS = [
    "2026-01-01 10:00:00",
    "2026-01-01T10:00:00",
    "2026-01-01 10:00:00.123456",
    "2026-01-01T10:00:00Z",
    "2026-01-01T10:00:00.123Z",
    "2026-01-01 10:00:00+00:00",
    "2026-01-01 10:00",
    "2026-01-01",
]
TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, f TIMESTAMP, body TEXT)"


@pytest.mark.parametrize("text", FORMS)
def test_each_form_is_read_and_stepped_back_in_the_same_form(sqlite_url: str, text: str) -> None:
    execute(sqlite_url, TABLE, f"INSERT INTO t VALUES (1, '{text}', 'a')")
    with source(sqlite_url, lookback="2 HOURS") as opened:
        records, rejects, watermark = read(opened)
        assert (keys(records), rejects) == ([1], [])
        current = opened.begin(watermark, RunOptions())
        assert current.rows == 1
        lower = str(current.lower)
        assert lower < text
        if len(text) > 10:
            whole = datetime.fromisoformat(text.replace(".123456", ""))
            assert datetime.fromisoformat(lower) == whole - timedelta(hours=2)


@pytest.mark.parametrize(
    "odd", ["2026-01-01T10:00:01", "2026-01-01T10:00:00.5Z", "2026-01-01 10:00:00+02:00", "yesterday"]
)
def test_a_mixture_of_forms_is_refused_with_the_texts_that_differ(sqlite_url: str, odd: str) -> None:
    execute(
        sqlite_url,
        TABLE,
        "INSERT INTO t VALUES (1, '2026-01-01 09:00:00', 'a'), (2, '2026-01-01 11:00:00.5', 'b')",
        f"INSERT INTO t VALUES (3, '{odd}', 'c')",
    )
    with source(sqlite_url) as opened, pytest.raises(PermanentError) as info:
        read(opened)
    assert "in one form" in str(info.value)


def test_a_fraction_before_z_is_refused_because_it_sorts_before_the_full_second(sqlite_url: str) -> None:
    execute(
        sqlite_url, TABLE, "INSERT INTO t VALUES (1, '2026-01-01T10:00:00Z', 'a'), (2, '2026-01-01T10:00:00.5Z', 'b')"
    )
    with source(sqlite_url) as opened, pytest.raises(PermanentError, match="in one form"):
        read(opened)


def test_a_late_mixture_on_the_day_of_the_watermark_is_found(sqlite_url: str) -> None:
    execute(sqlite_url, TABLE, "INSERT INTO t VALUES (1, '2026-01-01T12:00:00', 'a')")
    with source(sqlite_url) as opened:
        _, _, watermark = read(opened)
        execute(sqlite_url, "INSERT INTO t VALUES (2, '2026-01-01 23:00:00', 'b')")
        with pytest.raises(PermanentError, match="texts in several forms"):
            read(opened, watermark)


@pytest.mark.parametrize("value", ["x'00'", "5"])
def test_numbers_or_bytes_among_texts_are_refused(sqlite_url: str, value: str) -> None:
    execute(
        sqlite_url,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, f BLOB, body TEXT)",
        f"INSERT INTO t VALUES (1, '2026-01-01 00:00:00', 'a'), (2, {value}, 'b')",
    )
    with source(sqlite_url) as opened, pytest.raises(PermanentError, match="several kinds"):
        read(opened)


def test_seconds_without_a_fraction_sort_before_their_fractions(sqlite_url: str) -> None:
    stamps = ["2026-01-01 10:00:00", "2026-01-01 10:00:00.000001", "2026-01-01 10:00:00.5", "2026-01-01 10:00:01"]
    rows = ", ".join(f"({n}, '{stamp}', 'x')" for n, stamp in enumerate(stamps))
    execute(sqlite_url, TABLE, f"INSERT INTO t VALUES {rows}")
    with source(sqlite_url, window_rows=1) as opened:
        records, _, watermark = read(opened)
    assert keys(records) == [0, 1, 2, 3]
    assert str(watermark) == stamps[-1]


def test_local_times_are_compared_with_the_clock_in_the_jobs_zone(sqlite_url: str) -> None:
    execute(sqlite_url, TABLE)
    ahead = datetime.now(UTC) + timedelta(hours=9) - timedelta(minutes=1)
    execute(sqlite_url, f"INSERT INTO t VALUES (1, '{ahead:%Y-%m-%d %H:%M:%S}', 'a')")
    with source(sqlite_url, timezone="Asia/Tokyo") as opened:
        assert str(read(opened)[2]) == f"{ahead:%Y-%m-%d %H:%M:%S}"
    with source(sqlite_url, timezone="UTC") as opened:
        assert str(read(opened)[2]) < f"{ahead:%Y-%m-%d %H:%M:%S}", "it lies in the future there"


def test_unix_seconds_are_integers(sqlite_url: str) -> None:
    execute(sqlite_url, TABLE, "INSERT INTO t VALUES (1, 1767225600, 'a')")
    with source(sqlite_url) as opened:
        assert opened.report(None).filter_type == "integer"
