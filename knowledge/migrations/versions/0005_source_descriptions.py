"""How each source was described when it was synced, in a table of its own.

Rule: a migration stands on its own; it never imports the tables of today.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Takes the descriptions, 64 hexadecimal digits behind the source's name, from among the due times."""
    op.create_table(
        "source_descriptions",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.execute(
        "INSERT INTO source_descriptions (source, digest) "
        "SELECT substr(job, 11, length(job) - 75), substr(job, -64) FROM due_times WHERE substr(job, 1, 10) = 'described:'"
    )
    op.execute("DELETE FROM due_times WHERE substr(job, 1, 10) = 'described:'")
