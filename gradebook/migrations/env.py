"""Run by Alembic: migrates over the connection, inside the transaction, that `headwork.gradebook.migrate` opened."""

from alembic import context

from headwork.gradebook.migrate import VERSION_TABLE
from headwork.gradebook.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
