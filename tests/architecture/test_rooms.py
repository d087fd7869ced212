"""The house is built as ARCHITECTURE.md draws it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "syncd").rglob("*.py"))
DRAWING = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
MOST_LINES = 350


def test_every_import_keeps_to_the_drawing() -> None:
    """The contracts in pyproject.toml hold: layers, siblings, no circles, each library in its own room."""
    # In a process of its own, because import-linter switches off every logger that it finds.
    program = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(no_cache=True, no_logo=True))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_drawing_is_the_contract() -> None:
    """ARCHITECTURE.md shows the same lines, in the same order, as import-linter checks."""
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    drawn = DRAWING.partition("import-linter checks it in the tests.\n\n")[2].partition("\n\n")[0]
    lines = [line.strip() for line in drawn.replace(" > ", "\n").splitlines()]
    assert lines == layers


def test_every_room_is_described() -> None:
    """The table of rooms names each module and package of syncd, and none that is not there."""
    table = DRAWING.partition("## Rooms")[2].partition("Each line may import")[0]
    rooms = [
        room
        for line in table.splitlines()
        if line.startswith("| `")
        for room in re.findall(r"`([a-z_]+)(?:/|\.py)`", line.split("|")[1])
    ]
    found = {path.stem for path in (ROOT / "syncd").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert sorted(rooms) == sorted(found - {"__init__", "__main__", "__pycache__"})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small_and_whole(path: Path) -> None:
    """A file holds one idea, prints nothing by itself, and leaves nothing for later."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert re.findall(r"^\s*print\(|\bTODO\b|\bFIXME\b|\bXXX\b|NotImplemented\b", text, re.MULTILINE) == []


def test_signals_are_handled_in_one_place() -> None:
    """A handler runs where the main thread may hold a lock; only `syncd.signals` knows how to answer there."""
    handling = [path for path in SOURCES if re.search(r"\bsignal\.signal\(", path.read_text(encoding="utf-8"))]
    assert handling == [ROOT / "syncd" / "signals.py"]


def test_every_invariant_is_cited_where_it_is_kept() -> None:
    """Each numbered invariant is named by the code that enforces it, and no other number is."""
    promised = set(re.findall(r"^(\d+)\. ", DRAWING.partition("## Invariants")[2].partition("\n## ")[0], re.MULTILINE))
    citations = re.findall(r"invariants? (\d+)(?: and (\d+))?", "\n".join(path.read_text() for path in SOURCES))
    assert {number for citation in citations for number in citation if number} == promised
    assert len(promised) == 10


HEAVY = (
    "torch",
    "sentence_transformers",
    "transformers",
    "chromadb",
    "pandas",
    "numpy",
    "fastapi",
    "sqlalchemy",
    "apscheduler",
)
LOADED = """
import json, sys
from syncd.cli import main
sys.argv = ["syncd", *{arguments!r}]
try:
    main()
except SystemExit as ended:
    print(json.dumps([ended.code, [name for name in {heavy!r} if name in sys.modules]]))
"""


def _loaded_by(*arguments: str, cwd: Path) -> tuple[int, list[str]]:
    """Run a command in a fresh process; return its exit status and which heavy libraries it loaded."""
    script = LOADED.format(arguments=arguments, heavy=HEAVY)
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.stdout, ended.stderr
    status, found = json.loads(ended.stdout.splitlines()[-1])
    return status, found


@pytest.mark.parametrize("arguments", [["--help"], ["sync", "--help"], ["config", "schema", "--help"]])
def test_help_answers_at_once(arguments: list[str], tmp_path: Path) -> None:
    """Help loads none of the heavy libraries."""
    assert _loaded_by(*arguments, cwd=tmp_path) == (0, [])


def test_check_loads_no_model(tmp_path: Path) -> None:
    """A job with a real model is checked without torch, and without the store where there is none yet."""
    import sqlite3

    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, product TEXT, updated_at TIMESTAMP)")
        database.execute("INSERT INTO orders VALUES (1, 'tea', '2026-01-01 00:00:00')")
    database.close()
    (tmp_path / "syncd.yaml").write_text(
        "databases: {shop: 'sqlite:///shop.db'}\n"
        "knowledge_bases: {orders_kb: {type: chroma, path: kb, embedder: {type: sentence-transformers}}}\n"
        "jobs: {sync_orders: {source_table: shop.orders, kb_name: orders_kb, content_columns: [product],"
        " filter_column: updated_at, interval: DAILY}}\n"
    )
    status, loaded = _loaded_by("check", cwd=tmp_path)
    assert status == 0
    assert not {"torch", "sentence_transformers", "transformers", "chromadb", "fastapi"} & set(loaded)
