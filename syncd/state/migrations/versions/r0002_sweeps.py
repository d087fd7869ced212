"""When each job was swept, and which sweeps wait for somebody's word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sweeps",
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("swept_at", _TIME, nullable=False),
        sa.Column("orphans", sa.Integer),
        sa.Column("documents", sa.Integer),
        sa.Column("approved_at", _TIME),
        sa.Column("approved_by", sa.Text),
        sa.PrimaryKeyConstraint("job_id", name="pk_sweeps"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_sweeps_job_id_jobs"),
    )
