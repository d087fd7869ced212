"""Looks at a table that nobody has described yet, and suggests how to sync it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from syncd.errors import NotFound, SyncdError, TransientError
from syncd.source.dialects import dialect_of

_PATIENCE = timedelta(seconds=20)
_TELLING = ("updated", "modified", "changed", "created", "inserted", "time", "date")
_MOST_CONTENT = 3


@dataclass(frozen=True, slots=True)
class Suggestion:
    """How a table could be synced.

    Args:
        tables: the tables and views that there are.
        columns: the named table's columns, in order; empty where no table was named.
        key: its primary key; empty where it has none.
        filter_columns: columns that may tell what is new, the likeliest first.
        content_columns: columns that may hold text worth searching.
    """

    tables: tuple[str, ...]
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    filter_columns: tuple[str, ...] = ()
    content_columns: tuple[str, ...] = ()


def suggest(url: str, table: str | None) -> Suggestion:
    """Look at a database, and at one of its tables.

    Args:
        url: the database's SQLAlchemy URL.
        table: `table` or `schema.table`; None to list what there is.

    Raises:
        NotFound: there is no such table; the hint names those there are.
        TransientError: the database does not answer, or the URL is no URL.
    """
    engine: sa.Engine | None = None
    try:
        place = sa.make_url(url)
        _require_file(place)
        if place.drivername in {"mysql", "mariadb"}:
            place = place.set(drivername=f"{place.drivername}+pymysql")
        kind = dialect_of(place.get_backend_name())
        arguments = kind(_PATIENCE).connect_arguments(_PATIENCE)
        engine = sa.create_engine(place, hide_parameters=True, connect_args=arguments, poolclass=sa.NullPool)
        return _look(sa.inspect(engine), table)
    except SyncdError:
        raise
    except Exception as error:  # drivers raise what they like while connecting
        reason = getattr(error, "orig", None) or error
        raise TransientError(f"the database cannot be looked at: {str(reason).strip()}") from error
    finally:
        if engine is not None:
            engine.dispose()


def _require_file(place: sa.URL) -> None:
    """Refuse a SQLite file that is missing, since connecting would make it."""
    if place.get_backend_name() == "sqlite" and not Path(str(place.database)).is_file():
        raise TransientError(f"there is no file {place.database}")


def _look(inspector: sa.Inspector, table: str | None) -> Suggestion:
    schema, _, name = (table or "").rpartition(".")
    tables = (*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None))
    if not name:
        return Suggestion(tables)
    if name not in tables:
        raise NotFound(f"there is no table {table!r}", f"there are: {', '.join(tables) or 'none'}")
    columns = inspector.get_columns(name, schema or None)
    key = tuple(inspector.get_pk_constraint(name, schema or None)["constrained_columns"])
    return Suggestion(
        tables,
        columns=tuple(column["name"] for column in columns),
        key=key,
        filter_columns=suggested_filters(columns, key),
        content_columns=suggested_content(columns, key),
    )


def suggested_filters(columns: Iterable[Any], key: Sequence[str]) -> tuple[str, ...]:
    """Return the columns, as SQLAlchemy reflects them, that may tell what is new, the likeliest first."""
    return tuple(sorted(filter(None, map(_filter_name, columns)), key=_rank)) or tuple(key[:1])


def suggested_content(columns: Iterable[Any], key: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that may hold text worth searching."""
    return tuple(c["name"] for c in columns if _is_text(c) and c["name"] not in key)[:_MOST_CONTENT]


def _filter_name(column: Any) -> str | None:
    name: str = column["name"]
    temporal = isinstance(column["type"], sa.DateTime | sa.Date)
    # SQLite keeps times as text.
    return name if temporal or (isinstance(column["type"], sa.String) and name.endswith("_at")) else None


def _is_text(column: Any) -> bool:
    name: str = column["name"]
    return isinstance(column["type"], sa.String) and not name.endswith(("_at", "_id"))


def _rank(name: str) -> tuple[int, str]:
    return next((rank for rank, word in enumerate(_TELLING) if word in name.lower()), len(_TELLING)), name
