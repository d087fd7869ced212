"""Brings a state to this program's schema."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from syncd.errors import Unavailable
from syncd.state import schema

# Any number will do, as long as every syncd uses the same.
_POSTGRES_LOCK = 0x73796E6364
# Alembic keeps the migration that runs in a variable of its module.
_ONE_AT_A_TIME = threading.Lock()


def current(connection: sa.Connection) -> bool:
    """Tell whether the state already has this program's schema."""
    return _revision(connection) == schema.REVISION


def migrate(connection: sa.Connection, state: str) -> None:
    """Apply the migrations that are missing, in the transaction that is open; others wait until it ends.

    Args:
        connection: a connection in a write transaction.
        state: the database's name in messages.

    Raises:
        Unavailable: a newer program has already migrated the state.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_POSTGRES_LOCK)))
    found = _revision(connection)
    if found == schema.REVISION:
        return

    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "syncd.state:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise Unavailable(
            f"the state {state} was written by a newer syncd (its schema is {found}, this program knows"
            f" {schema.REVISION})",
            "install that version again, or put a backup from before the upgrade in its place",
        )
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(schema.VERSION_TABLE):
        return None
    return connection.scalar(sa.select(schema.version.c.version_num))
