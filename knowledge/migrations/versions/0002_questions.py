"""Questions out of chat platforms, what is known of them twice, votes, and what administrators did.

Rule: a migration stands on its own; it never imports the tables of today.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the tables."""
    _questions()
    _what_people_did()
    _what_was_set()


def _questions() -> None:
    op.create_table(
        "questions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("conversation", sa.Text, nullable=False, index=True),
        sa.Column("person", sa.Text, nullable=False, index=True),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("handle", sa.Text),
        sa.Column("reply", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("finished_at", sa.Float),
    )
    op.create_table(
        "question_keys",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("question", sa.Text, nullable=False, index=True),
        sa.Column("known_at", sa.Float, nullable=False, index=True),
    )
    op.create_table(
        "seen",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
    )


def _what_people_did() -> None:
    op.create_table(
        "votes",
        sa.Column("question", sa.Text, primary_key=True),
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("voted_at", sa.Float, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )


def _what_was_set() -> None:
    op.create_table(
        "channel_settings",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
    )
    op.create_table(
        "curated",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("collection", sa.Text, nullable=False, index=True),
        sa.Column("url", sa.Text),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("approved_by", sa.Text),
        sa.Column("changed_at", sa.Float, nullable=False),
    )
    op.create_table(
        "due_times",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("ran_at", sa.Float),
    )
