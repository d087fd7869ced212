"""The demo's table is kept as an application would keep it: what changes gets a new time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from syncd.demo.python_docs import Entry
from syncd.demo.table import Built, build, change

OLD = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 12, tzinfo=UTC)
ENTRIES = [Entry(f"m.f{n}", "function", f"f{n}()", f"Text {n}.", "m", OLD) for n in range(4)]


def rows(file: Path) -> dict[str, tuple[int, str, str]]:
    """Return id, docstring and time by name."""
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT name, id, docstring, updated_at FROM python_docs")
        return {name: (number, text, at) for name, number, text, at in found}


def test_a_new_table_takes_the_times_of_the_source_files_but_none_from_the_future(tmp_path: Path) -> None:
    file = tmp_path / "data/demo.db"
    future = replace(ENTRIES[3], changed=LATER)
    assert build(file, [*ENTRIES[:3], future], NOW) == Built(rows=4, changed=4)
    assert [at for _, _, at in rows(file).values()] == ["2024-05-01 12:00:00"] * 3 + ["2026-01-01 12:00:00"]


def test_building_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "demo.db"
    build(file, ENTRIES, NOW)
    before = rows(file)
    assert build(file, ENTRIES, LATER) == Built(rows=4, changed=0)
    assert rows(file) == before


def test_what_differs_is_put_back_with_a_new_time_and_keeps_its_id(tmp_path: Path) -> None:
    file = tmp_path / "demo.db"
    build(file, ENTRIES, NOW)
    before = rows(file)
    assert change(file, ["m.f1", "m.f2", "m.nothing"], NOW) == 2
    assert rows(file)["m.f1"][1].startswith("Text 1.\n\nThis sentence was added at 2026-01-01")
    assert build(file, ENTRIES, LATER) == Built(rows=4, changed=2)
    after = rows(file)
    assert {name: after[name][:2] for name in after} == {name: before[name][:2] for name in before}
    assert [name for name in after if after[name][2] == "2026-01-02 12:00:00"] == ["m.f1", "m.f2"]


def test_entries_that_are_no_more_are_deleted_and_new_ones_get_the_present_time(tmp_path: Path) -> None:
    file = tmp_path / "demo.db"
    build(file, ENTRIES, NOW)
    assert build(file, [*ENTRIES[1:], replace(ENTRIES[0], name="m.new")], LATER) == Built(rows=4, changed=1)
    assert "m.f0" not in rows(file)
    assert rows(file)["m.new"][2] == "2026-01-02 12:00:00"
