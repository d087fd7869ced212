"""The databases that syncd knows more about than SQL."""

from __future__ import annotations

from syncd.source.dialect import Dialect


def dialect_of(kind: str) -> type[Dialect]:
    """Return what to use for a database, by SQLAlchemy's name for it; its driver is loaded only then."""
    match kind:
        case "postgresql":
            from syncd.source.postgresql import PostgreSqlDialect

            return PostgreSqlDialect
        case "mysql" | "mariadb":
            from syncd.source.mysql import MySqlDialect

            return MySqlDialect
        case "sqlite":
            from syncd.source.sqlite import SqliteDialect

            return SqliteDialect
    return Dialect
