"""Runs the migrations on the connection that `knowledge/database.py` hands over.

Rule: there is no configuration file and no second way to connect.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
