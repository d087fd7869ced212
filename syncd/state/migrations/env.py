"""Runs migrations on the connection, and inside the transaction, that the caller brings."""

from __future__ import annotations

from alembic import context

from syncd.state.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
context.run_migrations()
