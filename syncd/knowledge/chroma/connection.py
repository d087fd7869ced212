"""Connects to Chroma, in this process or on a server."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from syncd.knowledge.chroma.mirrored import Mirrors
from syncd.knowledge.chroma.options import ChromaOptions

LOCAL = "default_tenant", "default_database"


@dataclass(frozen=True, slots=True)
class Connection:
    """An open Chroma, which of its databases is meant, and the mirrors of its collections where syncd keeps them."""

    api: Any
    tenant: str
    database: str
    close: Callable[[], None]
    mirrors: Mirrors | None = None

    def collections(self) -> list[Any]:
        """Return what the database says of its collections, without opening them."""
        return list(self.api.list_collections(tenant=self.tenant, database=self.database))

    def prune(self) -> None:
        """Remove the mirrors of collections that are gone."""
        if self.mirrors is not None:
            self.mirrors.prune([str(model.id) for model in self.collections()])


def connect_embedded(folder: Path) -> Connection:
    """Open the Chroma in a folder, which is made when it is missing.

    From now on this process makes its files readable for its own user alone: Chroma writes some of them much later.
    """
    os.umask(os.umask(0o077) | 0o077)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    system = _system(
        chroma_api_impl="chromadb.api.rust.RustBindingsAPI", is_persistent=True, persist_directory=str(folder)
    )
    api = _api(system)
    system.start()
    mirrors = Mirrors(folder)

    def close() -> None:
        mirrors.close()
        system.stop()

    return Connection(api, *LOCAL, close, mirrors)


def connect_server(options: ChromaOptions) -> Connection:
    """Prepare for calls to a server; the first call finds out whether it answers."""
    import httpx

    url = urlsplit(options.url or "")
    secret = options.token.get_secret_value() if options.token is not None else None
    system = _system(
        chroma_api_impl="chromadb.api.fastapi.FastAPI",
        chroma_server_host=url.hostname,
        chroma_server_http_port=url.port or (443 if url.scheme == "https" else 80),
        chroma_server_ssl_enabled=url.scheme == "https",
        chroma_server_headers={"Authorization": f"Bearer {secret}", "X-Chroma-Token": secret} if secret else {},
    )
    api = _api(system)
    # The library's own client would wait for ever, and has no setting for it.
    api._session.timeout = httpx.Timeout(options.timeout)
    system.start()

    def close() -> None:
        system.stop()
        api._session.close()

    return Connection(api, options.tenant, options.database, close)


def _system(**settings: Any) -> Any:
    """Make one system for ourselves: the library's clients share theirs, which then outlive a damaged store."""
    from chromadb.config import Settings, System

    return System(Settings(_env_file=None, anonymized_telemetry=False, **settings))


def _api(system: Any) -> Any:
    from chromadb.api import ServerAPI

    return system.instance(ServerAPI)
