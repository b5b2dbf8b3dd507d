"""Runs have a name, tags, a note and an archive."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = ("name", "tags", "note", "archived_at")


def upgrade() -> None:
    """Take the step up."""
    op.add_column("backtest_runs", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("backtest_runs", sa.Column("tags", sa.JSON(), nullable=True))
    op.add_column("backtest_runs", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("backtest_runs", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take the step down; what runs were called is lost, and archived runs are listed again."""
    for column in reversed(_COLUMNS):
        op.drop_column("backtest_runs", column)
