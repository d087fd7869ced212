"""A look at a table that has not changed costs a bounded number of statements, each of which an index answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.model.run import RunOptions
from syncd.model.watermark import Watermark
from syncd.source import open_table
from tests.engine import Engine
from tests.tables import execute, source
from tests.world import World

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, f {}, body VARCHAR(20))"
INDEX = "CREATE INDEX t_f ON t (f)"
ROWS = 20


@pytest.fixture
def _few_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_table, "MOST_COUNTED", 5)


def _filled(url: str, kind: str, *values: object) -> None:
    rows = ", ".join(f"({n * 10}, {value!r}, 'a')" for n, value in enumerate(values))
    execute(url, TABLE.format(kind), INDEX, f"INSERT INTO t VALUES {rows}")


@pytest.mark.usefixtures("_few_are_counted")
def test_a_late_row_among_the_newest_is_seen_however_many_rows_there_are(any_url: str) -> None:
    _filled(any_url, "INTEGER", *range(0, ROWS * 10, 10))
    newest = Watermark(ROWS * 10 - 10)
    with source(any_url) as opened:
        before = opened.begin(newest, RunOptions())
        assert before.rows is None
        assert opened.begin(newest, RunOptions()).glance == before.glance
        execute(any_url, f"INSERT INTO t VALUES (1, {ROWS * 10 - 15}, 'late')")
        assert opened.begin(newest, RunOptions()).glance != before.glance


@pytest.mark.usefixtures("_few_are_counted")
def test_every_row_counts_while_the_watermark_is_held_below_the_newest(any_url: str) -> None:
    _filled(any_url, "INTEGER", *range(0, ROWS * 10, 10))
    held = Watermark(ROWS * 10 - 20)
    with source(any_url) as opened:
        before = opened.begin(held, RunOptions())
        assert before.rows == ROWS
        execute(any_url, "INSERT INTO t VALUES (1, 15, 'late')")
        assert opened.begin(held, RunOptions()).glance != before.glance


@pytest.mark.usefixtures("_few_are_counted")
def test_every_row_of_a_day_counts_until_the_day_is_over(any_url: str) -> None:
    """More of them may come, each with the same date."""
    day = "9999-01-01"
    _filled(any_url, "DATE", *[day] * ROWS)
    with source(any_url) as opened:
        first = opened.begin(None, RunOptions())
        assert opened._open is not None
        reached = Watermark(opened._open.type.read(first.upper))
        before = opened.begin(reached, RunOptions())
        assert before.rows == ROWS
        execute(any_url, f"INSERT INTO t VALUES (1, '{day}', 'late')")
        assert opened.begin(reached, RunOptions()).glance != before.glance


@contextmanager
def _statements() -> Iterator[list[tuple[str, Any]]]:
    """Note what is asked of the source in the meantime, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if str(connection.engine.url.database).endswith("source.db"):
            sent.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("tied", [False, True])
def test_an_idle_run_asks_an_index_a_few_times_and_embeds_nothing(tmp_path: Path, tied: bool) -> None:
    """As often for many rows as for few, and whether or not their filter values are the same."""
    world = World.make(tmp_path, f"sqlite:///{tmp_path / 'source.db'}", window_rows=1000)
    world.execute(INDEX)
    asked = []
    with Engine.of(world) as engine:
        for first, last in ((1, 3), (4, 300)):
            world.fill(first, last)
            if tied:
                world.execute("UPDATE t SET f = 7")
            engine.run()
            engine.run()
            world.execute("ANALYZE")
            engine.plugins.before["embedder.embed"] = lambda: pytest.fail("the embedder was asked")
            with _statements() as sent:
                assert engine.run().counts.records_read == 0
            del engine.plugins.before["embedder.embed"]
            asked.append([statement for statement, _ in sent])
            plans = [line for statement, parameters in sent for line in _plan(world.url, statement, parameters)]
            assert [line for line in plans if line.startswith("SCAN") or "TEMP B-TREE" in line] == []
            assert any("USING COVERING INDEX t_f" in line for line in plans)
    assert asked[0] == asked[1]
    assert len(asked[0]) < 20


def _plan(url: str, statement: str, parameters: Any) -> list[str]:
    """Return how SQLite answers a question about the table."""
    if " FROM t" not in " ".join(statement.split()):
        return []
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
