"""A folder with tables and a configuration, for what is measured from outside: the commands and the daemon."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.docs.plugin import install

PORTION = 50_000
_WORDS = "amber birch cloud delta ember frost grove haven inlet jewel knoll larch maple north ocean pearl quill river"


@dataclass(frozen=True)
class Place:
    """What a command needs to run.

    Args:
        folder: where the configuration, the state, the tables and the knowledge base are.
        port: where a daemon answers.
    """

    folder: Path
    port: int

    @classmethod
    def make(cls, folder: Path, *, jobs: int, rows: int, store: str, embedder: str, later: bool = False) -> Place:
        """Fill a folder.

        Args:
            jobs: how many jobs there are, each with a table of its own.
            rows: how many rows each table has.
            store: the knowledge base's type, `chroma` or the documentation's `sqlite`.
            embedder: its options, as YAML.
            later: whether the jobs begin in a distant future only.
        """
        with closing(sqlite3.connect(folder / "shop.db")) as shop:
            for number in range(jobs):
                _fill(shop, f"t{number}", rows)
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = int(chosen.getsockname()[1])
        path = folder / ("kb" if store == "chroma" else "kb.db")
        begin = ", start_time: 2099-01-01T00:00:00Z" if later else ""
        fields = f"kb_name: shop_kb, content_columns: [body], filter_column: changed, interval: 1 MINUTES{begin}"
        lines = [f"  job{number}: {{source_table: shop.t{number}, {fields}}}" for number in range(jobs)]
        (folder / "syncd.yaml").write_text(
            f"""
state: sqlite:///{folder}/state.db
databases: {{shop: "sqlite:///{folder}/shop.db"}}
knowledge_bases:
  shop_kb: {{type: {store}, path: {path}, embedder: {embedder}}}
limits: {{max_active_jobs: {jobs + 1}}}
server: {{port: {port}}}
jobs:
"""
            + "\n".join(lines)
        )
        install(folder / "site")
        return cls(folder, port)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a command of syncd."""
        return [sys.executable, "-m", "syncd", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which it finds the configuration and the plugin."""
        return os.environ | {"SYNCD_CONFIG": str(self.folder / "syncd.yaml"), "PYTHONPATH": str(self.folder / "site")}


def _fill(shop: sqlite3.Connection, table: str, rows: int) -> None:
    words = _WORDS.split()
    with shop:
        shop.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body TEXT, changed INTEGER)")
        for start in range(0, rows, PORTION):
            portion = range(start, min(rows, start + PORTION))
            shop.executemany(
                f"INSERT INTO {table} VALUES (?, ?, ?)",
                ((n, f"row {n} {' '.join(words[(n >> bit) % 18] for bit in range(8))}", n) for n in portion),
            )
        shop.execute(f"CREATE INDEX {table}_changed ON {table} (changed)")
