"""What a database holds, as far as somebody needs to know who wants to sync a table of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TableKind(StrEnum):
    """Whether rows are kept or worked out."""

    TABLE = "table"
    VIEW = "view"


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table or view.

    Args:
        schema: where it is; None for a database that has no schemas.
        rows: about how many rows it has, by the database's own statistics; None where they do not say.
    """

    schema: str | None
    name: str
    kind: TableKind
    rows: int | None

    @property
    def place(self) -> tuple[str, str]:
        """Its place in the order of tables: by schema, then by name, both by code point."""
        return self.schema or "", self.name


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """A column, and what a job may name it for.

    Args:
        type: its type as the database writes it.
        key: its position in the primary key, from 1; None where it is no part of it.
        filter: whether rows can be read in its order.
        content: whether it holds what can be embedded.
        metadata: whether it holds what a search can be narrowed by.
    """

    name: str
    type: str
    nullable: bool
    key: int | None
    filter: bool
    content: bool
    metadata: bool


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An index or a unique constraint.

    Args:
        name: None where the database gave it none.
        columns: the columns in order, an expression as it is written.
    """

    name: str | None
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table with its columns and indexes.

    Args:
        filter_columns: columns that may tell what is new, the likeliest first.
        content_columns: columns that may hold text worth searching.
    """

    entry: TableEntry
    columns: tuple[ColumnEntry, ...]
    indexes: tuple[IndexEntry, ...]
    filter_columns: tuple[str, ...]
    content_columns: tuple[str, ...]
