"""A configuration in a folder of the test's own, with small but real parts to configure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, SecretStr

from syncd.config.load import load
from syncd.config.settings import Settings
from syncd.errors import ConfigError, NotFound
from syncd.model.fields import Duration, Model


class TableOptions(Model):
    url: SecretStr
    max_hold: Duration = "15 MINUTES"


class StoreOptions(Model):
    path: Path | None = Field(None, strict=False)
    url: SecretStr | None = None


class HashOptions(Model):
    dimension: int = 384
    token: SecretStr | None = None


class SplitOptions(Model):
    max_tokens: int = 256
    overlap: int = 32


KNOWN: dict[tuple[str, str], type[BaseModel]] = {
    ("source", "sql"): TableOptions,
    ("knowledge_base", "folder"): StoreOptions,
    ("embedder", "hashing"): HashOptions,
    ("chunker", "text"): SplitOptions,
}


def known_options(kind: str, type_: str) -> type[BaseModel]:
    if (kind, type_) not in KNOWN:
        raise NotFound(f'there is no {kind} type "{type_}"', f"known: {', '.join(t for k, t in KNOWN if k == kind)}")
    return KNOWN[kind, type_]


VALID = """\
databases:
  shop: sqlite:///shop.db
knowledge_bases:
  goods:
    type: folder
    path: data/kb
    embedder: {type: hashing}
jobs:
  orders:
    source_table: shop.orders
    kb_name: goods
    content_columns: [product]
    filter_column: created_at
    interval: 10 MINUTES
"""


@pytest.fixture
def valid() -> str:
    """A configuration without fault; its job `orders` has its keys in lines 10 to 14."""
    return VALID


@pytest.fixture
def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Write files and load them as a folder: `settings_of(text, environ, **{"jobs/more.yaml": text})`."""
    monkeypatch.chdir(tmp_path)

    def settings(text: str | bytes, environ: Mapping[str, str] | None = None, **others: str) -> Settings:
        for name, content in {"syncd.yaml": text, **others}.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(Path(), environ or {}, known_options)

    return settings


@pytest.fixture
def faults_of(settings_of: Callable[..., Settings]) -> Callable[..., list[str]]:
    """As `settings_of`, for what must be refused: the faults, as texts."""

    def faults(text: str | bytes, environ: Mapping[str, str] | None = None, **others: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            settings_of(text, environ, **others)
        return [str(fault) for fault in caught.value.faults]

    return faults
