"""What answers were measured with, what was found, and which LoRA was made the active one when.

Rule: a migration stands on its own; it never imports the tables of today.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "artefacts",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False, index=True),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("recorded_at", sa.Float, nullable=False),
    )
    op.create_table(
        "tag_moves",
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("evaluation", sa.Text),
    )
