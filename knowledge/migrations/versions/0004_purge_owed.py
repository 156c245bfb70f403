"""Whether the index may still hold on disk what was taken out of it.

Rule: a migration stands on its own; it never imports the tables of today.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """An index from before it was noted may hold such text: it is owed a purge."""
    op.add_column(
        "index_states", sa.Column("purge_owed", sa.Boolean, nullable=False, server_default=sa.true())
    )
