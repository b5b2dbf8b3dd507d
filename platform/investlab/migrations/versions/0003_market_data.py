"""Market data: sectors, more identifiers and corporate actions, universes, fundamentals, pins, users and their keys."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_EXACT = sa.Numeric().with_variant(sa.Text(), "sqlite")
_TABLES = (
    "change_marks",
    "dataset_pins",
    "fundamental_facts",
    "universes",
    "universe_members",
    "users",
    "api_keys",
)

_SCHEMES_BEFORE = {"scheme": "scheme IN ('symbol', 'figi', 'isin', 'provider_symbol')"}
_SCHEMES = {"scheme": "scheme IN ('symbol', 'figi', 'isin', 'cusip', 'cik', 'provider_symbol')"}
_KINDS_BEFORE = {"kind": "kind IN ('split', 'dividend')"}
_KINDS = {"kind": "kind IN ('split', 'dividend', 'stock_dividend', 'spin_off', 'merger', 'delisting')"}
_VALUES = {
    "value": "CASE kind WHEN 'merger' THEN CAST(value AS DOUBLE PRECISION) >= 0 WHEN 'delisting' THEN "
    "CAST(value AS DOUBLE PRECISION) >= -1 ELSE CAST(value AS DOUBLE PRECISION) > 0 END",
    "uncertainty": "uncertainty >= 0",
    "counterpart_ratio": "counterpart_ratio IS NULL OR CAST(counterpart_ratio AS DOUBLE PRECISION) > 0",
    "counterpart": "(counterpart_instrument_id IS NULL AND counterpart_ratio IS NULL) OR "
    "kind IN ('spin_off', 'merger')",
}

# Ids and what refers to them.
_IDS = (
    ("ingest_runs", "uid"),
    ("pipeline_runs", "uid"),
    ("pipeline_steps", "uid"),
    ("backtest_runs", "uid"),
    ("training_runs", "uid"),
    ("model_versions", "uid"),
    ("replay_passes", "uid"),
    ("pipeline_steps", "reused_from"),
    ("ingest_runs", "pipeline_step_uid"),
    ("backtest_runs", "pipeline_step_uid"),
    ("training_runs", "pipeline_step_uid"),
    ("backtest_runs", "panel_id"),
    ("training_runs", "panel_id"),
)

_INDEXES = (
    ("backtest_runs", ["panel_id"]),
    ("backtest_runs", ["started_at", "id"]),
    ("backtest_runs", ["owner", "started_at"]),
    ("backtest_runs", ["dataset_version_id", "started_at"]),
    ("training_runs", ["started_at", "id"]),
    ("pipeline_runs", ["started_at", "id"]),
    ("pipeline_runs", ["status"]),
    ("ingest_runs", ["started_at", "id"]),
    ("ingest_runs", ["dataset_id", "started_at"]),
)

_INDEXES_BEFORE = (
    ("backtest_runs", ["owner", "family"]),
    ("backtest_runs", ["dataset_version_id"]),
    ("ingest_runs", ["dataset_id"]),
)


def upgrade() -> None:
    """Take the step up."""
    _order_ids('"C"')
    _change_table("instrument_identifiers", _SCHEMES_BEFORE, _SCHEMES)
    _change_table("corporate_actions", _KINDS_BEFORE, _KINDS | _VALUES, also=_add_action_columns)
    op.create_index(
        "ix_corporate_actions_counterpart_instrument_id", "corporate_actions", ["counterpart_instrument_id"]
    )
    op.add_column("instruments", sa.Column("sector", sa.Text(), nullable=True))
    for table, columns in _INDEXES:
        op.create_index(_index_name(table, columns), table, columns)
    for table, columns in _INDEXES_BEFORE:
        op.drop_index(_index_name(table, columns), table)
    _create_catalog_tables()
    _create_universe_tables()
    _create_user_tables()


def downgrade() -> None:
    """Take the step down; identifiers and actions of kinds that the step before does not know are lost."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    for table, columns in _INDEXES_BEFORE:
        op.create_index(_index_name(table, columns), table, columns)
    for table, columns in reversed(_INDEXES):
        op.drop_index(_index_name(table, columns), table)
    op.drop_column("instruments", "sector")
    op.execute("DELETE FROM corporate_actions WHERE kind NOT IN ('split', 'dividend')")
    op.execute("DELETE FROM instrument_identifiers WHERE scheme IN ('cusip', 'cik')")
    op.drop_index("ix_corporate_actions_counterpart_instrument_id", "corporate_actions")
    _change_table("corporate_actions", _KINDS | _VALUES, _KINDS_BEFORE, also=_drop_action_columns)
    _change_table("instrument_identifiers", _SCHEMES, _SCHEMES_BEFORE)
    _order_ids('pg_catalog."default"')


def _order_ids(collation: str) -> None:
    """Order ids in another way on PostgreSQL; SQLite orders text by bytes."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, column in _IDS:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE {collation}")


def _index_name(table: str, columns: list[str]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"


def _change_table(
    table: str,
    before: dict[str, str],
    after: dict[str, str],
    *,
    also: Callable[[BatchOperations], None] = lambda _: None,
) -> None:
    """Replace CHECKs of a table and make other changes between; SQLite builds the table anew for it."""
    with op.batch_alter_table(table) as batch:
        for name in before:
            batch.drop_constraint(_check_name(table, name), type_="check")
        also(batch)
        for name, rule in after.items():
            batch.create_check_constraint(_check_name(table, name), rule)


def _check_name(table: str, name: str) -> str:
    return op.f(f"ck_{table}_{name}")


def _add_action_columns(batch: BatchOperations) -> None:
    batch.add_column(sa.Column("uncertainty", sa.Double(), server_default=sa.text("0"), nullable=False))
    batch.add_column(sa.Column("counterpart_instrument_id", _KEY, nullable=True))
    batch.add_column(sa.Column("counterpart_ratio", _EXACT, nullable=True))
    batch.create_foreign_key(
        "fk_corporate_actions_counterpart_instrument_id",
        "instruments",
        ["counterpart_instrument_id"],
        ["id"],
        ondelete="RESTRICT",
    )


def _drop_action_columns(batch: BatchOperations) -> None:
    batch.drop_constraint("fk_corporate_actions_counterpart_instrument_id", type_="foreignkey")
    for column in ("counterpart_ratio", "counterpart_instrument_id", "uncertainty"):
        batch.drop_column(column)


def _reference(table: str, column: str, target: str, on_delete: str = "RESTRICT") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}", ondelete=on_delete)


def _create_catalog_tables() -> None:
    op.create_table(
        "change_marks",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_marks"),
        sa.UniqueConstraint("subject", name="uq_change_marks_subject"),
    )
    op.create_table(
        "dataset_pins",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("dataset_version_id", _KEY, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        _reference("dataset_pins", "dataset_version_id", "dataset_versions.id"),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_pins"),
        sa.UniqueConstraint("dataset_version_id", "label", name="uq_dataset_pins_dataset_version_id_label"),
    )
    op.create_table(
        "fundamental_facts",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("instrument_id", _KEY, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("value", _EXACT, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("known_at", _MOMENT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ingested_at", _MOMENT, nullable=False),
        sa.Column("ingest_run_id", _KEY, nullable=False),
        sa.CheckConstraint("metric <> ''", name=_check_name("fundamental_facts", "metric")),
        _reference("fundamental_facts", "ingest_run_id", "ingest_runs.id"),
        _reference("fundamental_facts", "instrument_id", "instruments.id"),
        sa.PrimaryKeyConstraint("id", name="pk_fundamental_facts"),
        sa.UniqueConstraint("metric", "instrument_id", "period_end", "known_at", name="uq_fundamental_facts_known"),
    )
    op.create_index("ix_fundamental_facts_ingest_run_id", "fundamental_facts", ["ingest_run_id"])
    op.create_index("ix_fundamental_facts_instrument_id", "fundamental_facts", ["instrument_id"])


def _create_universe_tables() -> None:
    op.create_table(
        "universes",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dataset_id", _KEY, nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        _reference("universes", "dataset_id", "datasets.id"),
        sa.PrimaryKeyConstraint("id", name="pk_universes"),
        sa.UniqueConstraint("name", name="uq_universes_name"),
    )
    op.create_index("ix_universes_dataset_id", "universes", ["dataset_id"])
    op.create_table(
        "universe_members",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("universe_id", _KEY, nullable=False),
        sa.Column("instrument_id", _KEY, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=_check_name("universe_members", "period")),
        _reference("universe_members", "instrument_id", "instruments.id"),
        _reference("universe_members", "universe_id", "universes.id", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_universe_members"),
        sa.UniqueConstraint(
            "universe_id",
            "instrument_id",
            "valid_from",
            name="uq_universe_members_universe_id_instrument_id_valid_from",
        ),
    )
    op.create_index("ix_universe_members_instrument_id", "universe_members", ["instrument_id"])


def _create_user_tables() -> None:
    op.create_table(
        "users",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("disabled_at", _MOMENT, nullable=True),
        sa.CheckConstraint("role IN ('researcher', 'stakeholder', 'app', 'admin')", name=_check_name("users", "role")),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("user_id", _KEY, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("key_sha256", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.Column("last_used_at", _MOMENT, nullable=True),
        sa.CheckConstraint("expires_at IS NULL OR expires_at > created_at", name=_check_name("api_keys", "period")),
        _reference("api_keys", "user_id", "users.id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("key_sha256", name="uq_api_keys_key_sha256"),
    )
    op.create_index("ix_api_keys_prefix", "api_keys", ["prefix"])
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
