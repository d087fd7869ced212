"""syncd, through its command line, in this process so that its embeddings can be counted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters import chroma
from benchmarks.peers.adapters.command import REFUSED, TABLE, Adapter, count, main

JOB = "sync_articles"
_CONFIG = """
state: "sqlite:///{store}/state.db"
databases: {{bench: "{database}"}}
knowledge_bases:
  {table}_kb:
    type: chroma
    path: "{store}/kb"
    embedder: {{type: sentence-transformers, model: all-MiniLM-L6-v2}}
jobs:
  {job}:
    source_table: bench.{table}
    kb_name: {table}_kb
    content_columns: [body]
    template: "{{body}}"
    metadata_columns: [category, price]
    filter_column: updated_at
    interval: 10 MINUTES
    deletes: {{mode: sweep}}
"""


class Syncd(Adapter):
    """A job with its defaults, and a sweep once a day."""

    def prepare(self, warm: bool) -> None:
        """Import what a sync imports sooner or later, as the other adapters do, and count what is embedded."""
        import alembic.command  # noqa: F401
        import chromadb  # noqa: F401
        import psycopg  # noqa: F401

        import syncd.cli.app
        import syncd.cli.execution
        import syncd.source.postgresql  # noqa: F401
        from syncd.cli.configuration import load_settings
        from syncd.plugins import Plugins

        self._config.write_text(
            _CONFIG.format(store=self.store, database=self.database, table=TABLE, job=JOB), encoding="utf-8"
        )
        make = Plugins.embedder
        made: list[Any] = []

        def counting(plugins: Plugins, config: Any) -> Any:
            return made[0] if made else _Counting(make(plugins, config))

        Plugins.embedder = counting  # type: ignore[assignment, method-assign]
        if warm:
            plugins = Plugins()
            embedder = make(plugins, load_settings(self._config, plugins).knowledge_bases[f"{TABLE}_kb"].embedder)
            embedder.embed(["a text that loads the model"])
            made.append(_Counting(embedder))

    @property
    def _config(self) -> Path:
        return self.store / "syncd.yaml"

    def sync(self) -> None:
        """Run `syncd sync`."""
        _run("sync", JOB, "--config", str(self._config))

    def repair(self) -> None:
        """Run `syncd verify --repair`."""
        _run("verify", JOB, "--repair", "--config", str(self._config))

    def dump(self) -> Iterator[Mapping[str, Any]]:
        """Yield each chunk, read as docs/reading.md says."""
        return chroma.chunks(self.store / "kb", f"{TABLE}_kb", _key)

    def lose(self, keys: Sequence[int]) -> None:
        """Delete these rows' chunks."""
        chroma.lose(self.store / "kb", f"{TABLE}_kb", _key, keys)


class _Counting:
    """An embedder whose texts are counted; all else is that of the embedder within."""

    def __init__(self, embedder: Any) -> None:
        self._embedder = embedder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed(self, texts: Sequence[str]) -> Any:
        """Count, then embed; a refusal is told as the port wants it."""
        from syncd.errors import RecordError

        try:
            count(texts)
        except ValueError as error:
            raise RecordError(f"{os.environ[REFUSED]}: {error}") from error
        return self._embedder.embed(texts)


def _run(*arguments: str) -> None:
    from syncd.cli import main as syncd

    sys.argv[1:] = arguments
    try:
        syncd()
    except SystemExit as end:
        # 1 says that a row went to the dead letters, or that a comparison found what it then mended.
        if end.code not in {0, 1, None}:
            raise


def _key(id_: str, _: Mapping[str, Any]) -> int:
    return int(id_.rpartition("#")[0].rpartition(":")[2])


if __name__ == "__main__":
    main(Syncd, ["syncd", "chromadb", "sentence-transformers"])
