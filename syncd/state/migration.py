"""Brings a state to this program's schema."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from syncd.errors import Unavailable
from syncd.state import schema
from syncd.state.failure import RESTORE

# Any number will do, as long as every syncd uses the same.
_POSTGRES_LOCK = 0x73796E6364
_SCRIPTS = "syncd.state:migrations"
# Alembic keeps the migration that runs in a variable of its module.
_ONE_AT_A_TIME = threading.Lock()


def current(connection: sa.Connection) -> bool:
    """Tell whether the state already has this program's schema."""
    return _revision(connection) == schema.REVISION


def migrate(connection: sa.Connection, state: str, *, new: bool) -> None:
    """Apply the migrations that are missing, in the transaction that is open; others wait until it ends.

    Args:
        connection: a connection in a write transaction.
        state: the database's name in messages.
        new: whether it may be empty yet.

    Raises:
        Unavailable: a newer program has already migrated the state; or it is empty and may not be.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_POSTGRES_LOCK)))
    found = _revision(connection)
    if found == schema.REVISION:
        return
    if found is None and not new:
        raise Unavailable(f"the state {state} is damaged: its tables are gone", RESTORE)

    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", _SCRIPTS)
    if found is not None:
        require_known(found, state)
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")


def require_known(revision: str, state: str) -> None:
    """Return when this program knows a schema that a state has.

    Raises:
        Unavailable: a newer program made it.
    """
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision not in known:
        raise Unavailable(
            f"the state {state} was written by a newer syncd (its schema is {revision}, this program knows"
            f" {schema.REVISION})",
            "install that version again, or put a backup from before the upgrade in its place",
        )


def require_tables(connection: sa.Connection, state: str) -> None:
    """Return when a state of this program's schema has all of its tables.

    Raises:
        Unavailable: somebody removed one.
    """
    missing = sorted(schema.metadata.tables.keys() - set(sa.inspect(connection).get_table_names()))
    if missing:
        raise Unavailable(f"the state {state} is damaged: it has no table {', '.join(missing)}", RESTORE)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(schema.VERSION_TABLE):
        return None
    return connection.scalar(sa.select(schema.version.c.version_num))
