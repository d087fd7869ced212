"""The documentation of the standard library is read, whole and without running any of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from syncd.demo.python_docs import Entry, read
from syncd.errors import Unavailable


@pytest.fixture(scope="module")
def entries() -> dict[str, Entry]:
    """What this Python's standard library says of itself, by name."""
    return {entry.name: entry for entry in read()}


def test_there_are_several_thousand_texts_each_under_one_name(entries: dict[str, Entry]) -> None:
    assert 3_000 < len(entries) < 8_000
    assert len(list(read())) == len(entries)
    assert all(entry.docstring.strip() for entry in entries.values())


def test_modules_classes_functions_and_methods_are_told_with_their_signatures(entries: dict[str, Entry]) -> None:
    assert (entries["zipfile"].kind, entries["zipfile"].signature) == ("module", "")
    assert (entries["zipfile.ZipFile"].kind, entries["zipfile.ZipFile"].module) == ("class", "zipfile")
    method = entries["zipfile.ZipFile.open"]
    assert method.kind == "method"
    assert method.signature.startswith("open(self, name, mode='r'")
    assert entries["textwrap.dedent"].kind == "function"


def test_private_names_tests_and_gui_are_left_out(entries: dict[str, Entry]) -> None:
    modules = {entry.module.partition(".")[0] for entry in entries.values()}
    assert not modules & {"test", "idlelib", "tkinter", "turtle", "antigravity", "this", "_pydecimal"}
    assert not [name for name in entries if any(part.startswith("_") for part in name.split("."))]


def test_reading_imports_nothing() -> None:
    before = set(sys.modules)
    for _ in read():
        pass
    assert set(sys.modules) == before


def test_broken_files_doubled_names_and_odd_folders_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text('def f(a, *, b=1):\n    """First."""\ndef f():\n    """Second."""\n')
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "odd.py").write_text('"""lone \\ud800 surrogate"""')
    (tmp_path / "config-3.11").mkdir()
    (tmp_path / "config-3.11/install.py").write_text('"""Not a module."""')
    found = [(entry.name, entry.docstring) for entry in read(tmp_path)]
    assert found == [("good.f", "First."), ("odd", "lone ? surrogate")]


def test_a_python_without_sources_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="source files are not in"):
        list(read(tmp_path))
