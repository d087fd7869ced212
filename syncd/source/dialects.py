"""The databases that syncd knows more about than SQL."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.source.dialect import Dialect
from syncd.source.mysql import MySqlDialect
from syncd.source.postgresql import PostgreSqlDialect
from syncd.source.sqlite import SqliteDialect

DIALECTS: Mapping[str, type[Dialect]] = {
    "postgresql": PostgreSqlDialect,
    "mysql": MySqlDialect,
    "mariadb": MySqlDialect,
    "sqlite": SqliteDialect,
}
"""What to use for each, by SQLAlchemy's name for it."""
