"""Checks of what is read: every row once, in order, and none that is passed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncd.errors import PermanentError
from syncd.model.run import RunOptions
from tests.integration.source import test_fence
from tests.tables import execute, keys, read, source


@dataclass(frozen=True, slots=True)
class Place:
    """An empty folder, and an empty PostgreSQL database where it is asked for."""

    folder: Path
    postgres: Callable[[], str]

    @property
    def sqlite(self) -> str:
        """The URL of a SQLite file that is not there yet."""
        return f"sqlite:///{self.folder / 'source.db'}"


Check = Callable[[Place], None]

PLAIN = "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)"


def _table(place: Place, *rows: tuple[int, int]) -> None:
    execute(place.sqlite, PLAIN, *(f"INSERT INTO t VALUES ({id_}, {f}, 'x')" for id_, f in rows))


def a_row_that_equals_the_watermark_is_read(place: Place) -> None:
    """A row that shares the newest filter value, and came after the read, is read by the next pass."""
    _table(place, (1, 5))
    with source(place.sqlite, lookback=0) as opened:
        _, _, watermark = read(opened)
        execute(place.sqlite, "INSERT INTO t VALUES (2, 5, 'x')")
        records, _, _ = read(opened, watermark)
    assert 2 in keys(records)


def equal_stamps_are_paged(place: Place) -> None:
    """More rows of one stamp than a window holds are all read."""
    _table(place, *((id_, 5) for id_ in range(1, 11)))
    with source(place.sqlite, window_rows=3) as opened:
        records, _, _ = read(opened)
    assert keys(records) == list(range(1, 11))


def text_keys_are_paged(place: Place) -> None:
    """Rows of one stamp are paged by their key, in whatever order the database keeps them."""
    execute(
        place.sqlite,
        "CREATE TABLE t (k TEXT PRIMARY KEY, f INTEGER, body TEXT)",
        *(f"INSERT INTO t VALUES ('{letter}', 5, 'x')" for letter in reversed("abcdefghij")),
    )
    with source(place.sqlite, window_rows=3) as opened:
        records, _, _ = read(opened)
    assert keys(records) == list("abcdefghij")


def rows_deleted_between_windows_hide_no_other(place: Place) -> None:
    """When rows that were read are deleted, the next window passes over none."""
    _table(place, *((id_, id_) for id_ in range(1, 10)))
    with source(place.sqlite, window_rows=3) as opened:
        windows = opened.windows(opened.begin(None, RunOptions()))
        found = keys(next(windows).records)
        execute(place.sqlite, "DELETE FROM t WHERE id <= 3")
        found += [key for window in windows for key in keys(window.records)]
    assert found == list(range(1, 10))


def a_late_row_inside_the_lookback_is_read(place: Place) -> None:
    """A row whose stamp is a little older than the watermark is read by the next pass."""
    _table(place, (1, 5), (2, 100))
    with source(place.sqlite, lookback=50) as opened:
        _, _, watermark = read(opened)
        execute(place.sqlite, "INSERT INTO t VALUES (3, 60, 'x')")
        records, _, _ = read(opened, watermark)
    assert keys(records) == [3, 2]


def a_transaction_holds_the_watermark(place: Place) -> None:
    """On PostgreSQL, also one that has only asked for the time."""
    test_fence.test_a_transaction_that_only_asked_the_time_holds_the_fence(place.postgres())


def sequence_values_that_commit_out_of_order_are_read(place: Place) -> None:
    """On PostgreSQL, a smaller number that commits after a larger one is read."""
    test_fence.test_sequence_values_committed_out_of_order_are_all_read(("postgres", place.postgres()))


def a_row_from_the_future_poisons_nothing(place: Place) -> None:
    """A row of the year 9999 is read, and the rows of today after it too."""
    test_fence.test_a_row_from_the_future_is_read_and_does_not_poison_the_watermark(place.sqlite)


def rows_out_of_order_are_refused(place: Place) -> None:
    """A source whose rows do not come in order is an error, not a source of gaps."""
    _table(place, (1, 1), (2, 2))
    with source(place.sqlite) as opened:
        opened.begin(None, RunOptions())
        assert opened._open is not None
        with pytest.raises(PermanentError, match="does not come in the order"):
            opened._open.check_order([(2, 2, "b"), (1, 1, "a")])


def keys_that_read_alike_stay_apart(place: Place) -> None:
    """Two keys of two texts whose characters are the same, cut elsewhere, are two documents."""
    execute(
        place.sqlite,
        "CREATE TABLE t (a TEXT, b TEXT, f INTEGER, body TEXT, PRIMARY KEY (a, b))",
        "INSERT INTO t VALUES ('x,y', 'z', 1, 'one'), ('x', 'y,z', 2, 'two')",
    )
    with source(place.sqlite) as opened:
        records, rejects, _ = read(opened)
    assert len({record.document_id for record in records}) == 2
    assert rejects == []
