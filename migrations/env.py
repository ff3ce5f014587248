"""Alembic's environment: runs in the connection, and so in the transaction, that routectl gives."""

from alembic import context

from routectl.store.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
