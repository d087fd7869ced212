"""Reads the documentation of Python's standard library out of its source files, without importing any of them."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from syncd.errors import Unavailable

_TESTS = frozenset({"test", "tests"})
_JOKES = frozenset({"antigravity", "this"})
_OF_PYTHON_ITSELF = frozenset({"distutils", "encodings", "lib2to3", "pydoc_data", "site-packages"})
_GUI = frozenset({"idlelib", "tkinter", "turtle", "turtledemo"})
_LEFT_OUT = _TESTS | _JOKES | _OF_PYTHON_ITSELF | _GUI
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Entry:
    """The documentation of one module, class or function.

    Args:
        name: qualified, such as `zipfile.ZipFile.open`.
        kind: module, class, function or method.
        signature: as in the source, such as `open(self, name, mode='r')`; empty for modules.
        changed: when the source file was changed, in UTC.
    """

    name: str
    kind: str
    signature: str
    docstring: str
    module: str
    changed: datetime


def read(folder: Path | None = None) -> Iterator[Entry]:
    """Read every public module, class and function that has a docstring, in the order of the files' names.

    Args:
        folder: where the standard library lies; by default this Python's.

    Raises:
        Unavailable: its source files are not there.
    """
    root = folder or Path(sysconfig.get_path("stdlib"))
    files = sorted(file for file in root.rglob("*.py") if _is_public(file.relative_to(root)))
    if not files:
        raise Unavailable(
            f"the standard library's source files are not in {root}",
            "use a Python that brings them along, such as one from python.org or your distribution",
        )
    seen: set[str] = set()
    for file in files:
        for entry in _entries(file, _module(file.relative_to(root))):
            if entry.name not in seen:
                seen.add(entry.name)
                yield entry


def _is_public(file: Path) -> bool:
    names = [*file.parts[:-1], file.stem]
    if _LEFT_OUT.intersection(names):
        return False
    # A folder whose name is no identifier, such as config-3.11, holds no package.
    return all(name.isidentifier() and (not name.startswith("_") or name == "__init__") for name in names)


def _module(file: Path) -> str:
    names = [*file.parts[:-1], file.stem]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def _entries(file: Path, module: str) -> Iterator[Entry]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old source files, whose advice is not for us
            tree = ast.parse(file.read_bytes())
        changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (OSError, SyntaxError, ValueError):
        return
    if text := _text(tree):
        yield Entry(module, "module", "", text, module, changed)
    for name, kind, node in _definitions(tree, ()):
        if text := _text(node):
            yield Entry(f"{module}.{name}", kind, _signature(node), text, module, changed)


def _definitions(
    parent: ast.Module | ast.ClassDef, path: tuple[str, ...]
) -> Iterator[tuple[str, str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in parent.body:
        if not isinstance(node, (ast.ClassDef, *_FUNCTION)) or node.name.startswith("_"):
            continue
        here = (*path, node.name)
        if isinstance(node, ast.ClassDef):
            yield ".".join(here), "class", node
            yield from _definitions(node, here)
        else:
            yield ".".join(here), "method" if path else "function", node


def _text(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    text = (ast.get_docstring(node) or "").strip()
    # A database column is UTF-8; a docstring may hold lone surrogates.
    return text.encode("utf-8", "replace").decode()


def _signature(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    return f"{node.name}({ast.unparse(node.args)})"
