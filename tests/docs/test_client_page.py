"""docs/api/client.md is real: its examples run against a daemon, and it names every method."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syncd import client
from syncd.client.jobs import Jobs
from syncd.client.knowledge_bases import KnowledgeBases
from syncd.client.runs import Runs
from syncd.client.tokens import Tokens
from tests.daemon import serving
from tests.docs.pages import ROOT, blocks, inline_code
from tests.world import World

PAGE = "docs/api/client.md"
GROUPS = {"jobs": Jobs, "runs": Runs, "knowledge_bases": KnowledgeBases, "tokens": Tokens}
CONFIG = """\
state: sqlite:///{folder}/state.db
databases: {{shop: 'sqlite:///{folder}/shop.db'}}
knowledge_bases: {{orders_kb: {{type: chroma, path: {folder}/kb, embedder: {{type: hashing}}}}}}
server: {{port: 0}}
"""
ROWS = [(1, "Ginger tea", "Hot, for a cold evening.", "drinks"), (2, "Down jacket", "Keep it from rain.", "clothing")]


def test_the_examples_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "syncd.yaml").write_text(CONFIG.format(folder=tmp_path))
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
        shop.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, product, description, category, updated_at TIMESTAMP)"
        )
        shop.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, '2026-01-01 00:00:00')", ROWS)
    names: dict[str, Any] = {}
    with serving(World(tmp_path, f"sqlite:///{tmp_path}/shop.db")) as daemon:
        for block in blocks("python", page=PAGE):
            text = block.text.replace("http://127.0.0.1:8000", str(daemon.client.base_url))
            exec(compile(text, block.id, "exec"), names)  # noqa: S102 - that is what a reader does with it
        changed = names["syncd"].jobs.get("sync_orders")
        names["syncd"].close()
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == ["completed 2", "shop.orders:1#0 drinks", "shop.orders:2#0 clothing"]
    assert said[-1].startswith("completed")
    assert (changed["interval"], changed["version"]) == ("HOURLY", 2)


def test_every_method_and_every_error_is_named() -> None:
    named = set(inline_code(ROOT / PAGE))
    methods = {f"{group}.{name}" for group, kind in GROUPS.items() for name in vars(kind) if not name.startswith("_")}
    assert {name for name in named if name.partition(".")[0] in GROUPS and "." in name} == methods
    assert named >= set(client.__all__) - {"Client"}
