"""Alembic's entry: migrates on the connection that the runner opened, and compares the model for autogenerate."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from investlab.models.core import Base, Choice, Document, ExactDecimal, UtcDateTime

_PLAIN_TYPES: dict[type, str] = {
    ExactDecimal: 'sa.Numeric().with_variant(sa.Text(), "sqlite")',
    UtcDateTime: "sa.DateTime(timezone=True)",
    Document: "sa.JSON()",
    Choice: "sa.Text()",
}


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column types as plain ones: a migration must not change when the model does."""
    return _PLAIN_TYPES.get(type(item), False) if kind == "type" else False


def run() -> None:
    """Run the migrations that Alembic chose, inside the runner's transaction."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,
        render_as_batch=True,
        render_item=render_item,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file; importing the module does nothing
    run()
