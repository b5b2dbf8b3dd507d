"""Alembic migrations, each step up and down."""

from investlab.migrations.runner import current, downgrade, head, pending, upgrade

__all__ = ["current", "downgrade", "head", "pending", "upgrade"]
