"""The page of guarantees names tests that exist, and every bug that is put back."""

from __future__ import annotations

import ast
import re

from tests.docs.pages import ROOT, prose, rows
from tests.sabotage.bugs import BUGS

PAGE = ROOT / "docs" / "guarantees.md"


def test_every_test_that_is_named_exists() -> None:
    """`file::function` is a function of that file, and each row of the promises names one."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", prose(PAGE))
    assert len(named) > 15
    for file, function in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{function}"
    promises = list(rows(PAGE, "What is promised, and what proves it"))[1:]
    assert [promise for promise, _, proof in promises if "::test_" not in proof] == []


def test_every_bug_that_is_put_back_is_listed() -> None:
    """The table is that of the suite: name, what it does, and its check."""
    listed = [tuple(row) for row in rows(PAGE, "Bugs that are put back")][1:]
    assert listed == [(bug.name, bug.says, bug.check.__name__.replace("_", " ")) for bug in BUGS]
