"""A library over real knowledge bases and databases, behind the real app, asked as whoever it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from syncd.api.app import create_app
from syncd.config.load import load
from syncd.library import Library
from syncd.model.access import Scope
from syncd.model.job import Job, JobDefinition, Origin
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.state import State
from tests.api_services import api_services

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = """
state: {state}
databases:
  shop: {{url: "{url}", statement_timeout: 5 SECONDS}}
knowledge_bases:
  orders_kb: {{type: chroma, path: {folder}/kb, embedder: {{type: hashing, dimension: 64}}, chunking: {{max_tokens: 16, overlap: 0}}}}
{more}
"""


@dataclass
class Shelf:
    """An app and what stands behind it."""

    folder: Path
    state: State
    parts: Parts
    library: Library
    client: TestClient

    def ask_as(self, name: str, *scopes: Scope, **limits: frozenset[str]) -> None:
        """Let every request from now on come from somebody with these rights."""
        _, secret = self.state.tokens.create(name.replace(" ", "-"), scopes, NOW, **limits)  # type: ignore[arg-type]
        self.client.headers["Authorization"] = f"Bearer {secret}"

    def job(self, name: str, kb_name: str, **fields: object) -> Job:
        """Define a job that fills a knowledge base."""
        definition = {"source_table": "shop.t", "kb_name": kb_name, "content_columns": ["body"], "filter_column": "f"}
        read = JobDefinition.model_validate({**definition, "interval": "1 DAY", **fields})
        return self.state.jobs.put(name, read, Origin.API, NOW)

    def post(self, **body: object) -> Any:
        """Ask for a knowledge base."""
        return self.client.post("/v1/knowledge-bases", json=body)

    def names(self) -> list[str]:
        """The names in the list of knowledge bases."""
        return [one["name"] for one in self.client.get("/v1/knowledge-bases").json()["data"]]


@contextmanager
def shelf(
    folder: Path, *, url: str = "", state: str = "", more: str = "", environ: Mapping[str, str] = {}
) -> Iterator[Shelf]:
    """Open all that the folder holds, as a daemon's start would.

    Args:
        url: the database `shop`.
        state: where the state is, by default a file in the folder.
        more: further lines of the configuration, below `knowledge_bases`.
    """
    config = folder / "syncd.yaml"
    where = state or f"sqlite:///{folder}/data/state.db"
    config.write_text(CONFIG.format(folder=folder, url=url or f"sqlite:///{folder}/shop.db", state=where, more=more))
    plugins = Plugins([])
    settings = load(config, environ, plugins.options_for)
    opened = State.open(settings.state.get_secret_value())
    parts = Parts(settings, plugins, {"role": "test"}, opened.knowledge_bases.list())
    library = Library(opened, parts, plugins, lambda: NOW)
    app = create_app(api_services(opened, parts, lambda: NOW, library=library), None)
    client = TestClient(app, base_url="http://127.0.0.1")
    try:
        yield Shelf(folder, opened, parts, library, client)
    finally:
        client.close()
        parts.close()
        opened.close()
