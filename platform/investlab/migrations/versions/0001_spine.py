"""The spine: catalog, datasets, runs, pipelines, trial ledger, audit chain, outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_TABLES = (
    "audit_events",
    "datasets",
    "outbox",
    "pipeline_runs",
    "venues",
    "instruments",
    "pipeline_steps",
    "ingest_runs",
    "instrument_identifiers",
    "corporate_actions",
    "dataset_versions",
    "backtest_runs",
    "backtest_trials",
)


def upgrade() -> None:
    """Take the step up."""
    op.create_table(
        "audit_events",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        sa.UniqueConstraint("hash", name="uq_audit_events_hash"),
        sa.UniqueConstraint("previous_hash", name="uq_audit_events_previous_hash"),
    )
    op.create_index("ix_audit_events_action", "audit_events", ["action"])
    op.create_index("ix_audit_events_subject", "audit_events", ["subject"])

    op.create_table(
        "datasets",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("price_basis", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("biases", sa.JSON(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("lag_seconds", _KEY, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "price_basis IN ('raw', 'split_adjusted', 'total_return')", name=op.f("ck_datasets_price_basis")
        ),
        sa.CheckConstraint("lag_seconds >= 0", name=op.f("ck_datasets_lag_seconds")),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint("name", name="uq_datasets_name"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("relayed_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_relayed_at_id", "outbox", ["relayed_at", "id"])

    op.create_table(
        "pipeline_runs",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("as_of", _MOMENT, nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("code_identity", sa.Text(), nullable=False),
        sa.Column("lock_hash", sa.Text(), nullable=False),
        sa.Column("ray_address", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('running', 'completed', 'failed', 'interrupted')", name=op.f("ck_pipeline_runs_status")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_pipeline_runs"),
        sa.UniqueConstraint("uid", name="uq_pipeline_runs_uid"),
    )
    op.create_index("ix_pipeline_runs_pipeline_started_at", "pipeline_runs", ["pipeline", "started_at"])

    op.create_table(
        "venues",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("mic", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_venues"),
        sa.UniqueConstraint("mic", name="uq_venues_mic"),
    )
    op.create_table(
        "instruments",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("venue_id", _KEY, nullable=False),
        sa.Column("level_basis", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('equity', 'etf', 'index')", name=op.f("ck_instruments_kind")),
        sa.CheckConstraint("level_basis IN ('price', 'total_return')", name=op.f("ck_instruments_level_basis")),
        sa.CheckConstraint(
            "level_basis IS NULL OR kind = 'index'", name=op.f("ck_instruments_level_basis_only_for_index")
        ),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name="fk_instruments_venue_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_instruments"),
    )
    op.create_index("ix_instruments_venue_id", "instruments", ["venue_id"])

    op.create_table(
        "pipeline_steps",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("run_id", _KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", _KEY, nullable=False),
        sa.Column("notebook", sa.Text(), nullable=False),
        sa.Column("notebook_sha256", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reused_from", sa.Text(), nullable=True),
        sa.Column("notebook_path", sa.Text(), nullable=True),
        sa.Column("html_path", sa.Text(), nullable=True),
        sa.Column("outputs", sa.JSON(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'skipped', 'failed')", name=op.f("ck_pipeline_steps_status")
        ),
        sa.ForeignKeyConstraint(
            ["reused_from"], ["pipeline_steps.uid"], name="fk_pipeline_steps_reused_from", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["pipeline_runs.id"], name="fk_pipeline_steps_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_pipeline_steps"),
        sa.UniqueConstraint("run_id", "name", name="uq_pipeline_steps_run_id_name"),
        sa.UniqueConstraint("uid", name="uq_pipeline_steps_uid"),
    )
    op.create_index("ix_pipeline_steps_name_key", "pipeline_steps", ["name", "key"])

    op.create_table(
        "ingest_runs",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("dataset_id", _KEY, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rows_new", _KEY, nullable=False),
        sa.Column("rows_changed", _KEY, nullable=False),
        sa.Column("rows_same", _KEY, nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("pipeline_step_uid", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('running', 'completed', 'rejected', 'failed')", name=op.f("ck_ingest_runs_status")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_ingest_runs_dataset_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["pipeline_step_uid"],
            ["pipeline_steps.uid"],
            name="fk_ingest_runs_pipeline_step_uid",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ingest_runs"),
        sa.UniqueConstraint("uid", name="uq_ingest_runs_uid"),
    )
    op.create_index("ix_ingest_runs_dataset_id", "ingest_runs", ["dataset_id"])
    op.create_index("ix_ingest_runs_pipeline_step_uid", "ingest_runs", ["pipeline_step_uid"])

    op.create_table(
        "instrument_identifiers",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("instrument_id", _KEY, nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "scheme IN ('symbol', 'figi', 'isin', 'provider_symbol')", name=op.f("ck_instrument_identifiers_scheme")
        ),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_instrument_identifiers_period")),
        sa.ForeignKeyConstraint(
            ["instrument_id"],
            ["instruments.id"],
            name="fk_instrument_identifiers_instrument_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_instrument_identifiers"),
        sa.UniqueConstraint("instrument_id", "scheme", "value", "valid_from", name="uq_instrument_identifiers_start"),
    )
    op.create_index("ix_instrument_identifiers_scheme_value", "instrument_identifiers", ["scheme", "value"])

    op.create_table(
        "corporate_actions",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("dataset_id", _KEY, nullable=False),
        sa.Column("instrument_id", _KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ex_date", sa.Date(), nullable=False),
        sa.Column("value", sa.Numeric().with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("known_at", _MOMENT, nullable=False),
        sa.Column("assumed", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ingested_at", _MOMENT, nullable=False),
        sa.Column("ingest_run_id", _KEY, nullable=False),
        sa.CheckConstraint("kind IN ('split', 'dividend')", name=op.f("ck_corporate_actions_kind")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_corporate_actions_dataset_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["ingest_run_id"], ["ingest_runs.id"], name="fk_corporate_actions_ingest_run_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["instrument_id"], ["instruments.id"], name="fk_corporate_actions_instrument_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_corporate_actions"),
        sa.UniqueConstraint(
            "dataset_id", "instrument_id", "kind", "ex_date", "known_at", name="uq_corporate_actions_known"
        ),
    )
    op.create_index("ix_corporate_actions_ingest_run_id", "corporate_actions", ["ingest_run_id"])
    op.create_index("ix_corporate_actions_instrument_id", "corporate_actions", ["instrument_id"])

    op.create_table(
        "dataset_versions",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("dataset_id", _KEY, nullable=False),
        sa.Column("number", _KEY, nullable=False),
        sa.Column("base_version", _KEY, nullable=False),
        sa.Column("corrections_version", _KEY, nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("rows", _KEY, nullable=False),
        sa.Column("instruments", _KEY, nullable=False),
        sa.Column("first_session", sa.Date(), nullable=True),
        sa.Column("last_session", sa.Date(), nullable=True),
        sa.Column("ingested_at", _MOMENT, nullable=False),
        sa.Column("ingest_run_id", _KEY, nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_dataset_versions_number")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_dataset_versions_dataset_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["ingest_run_id"], ["ingest_runs.id"], name="fk_dataset_versions_ingest_run_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_versions"),
        sa.UniqueConstraint("dataset_id", "number", name="uq_dataset_versions_dataset_id_number"),
    )
    op.create_index("ix_dataset_versions_ingest_run_id", "dataset_versions", ["ingest_run_id"])

    op.create_table(
        "backtest_runs",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("dataset_version_id", _KEY, nullable=False),
        sa.Column("as_of", _MOMENT, nullable=True),
        sa.Column("panel_id", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("seed", _KEY, nullable=False),
        sa.Column("code_identity", sa.Text(), nullable=False),
        sa.Column("lock_hash", sa.Text(), nullable=False),
        sa.Column("platform_version", sa.Text(), nullable=False),
        sa.Column("executor", sa.Text(), nullable=False),
        sa.Column("worker_pids", sa.JSON(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("trials", _KEY, nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("best_parameters", sa.JSON(), nullable=False),
        sa.Column("result_hash", sa.Text(), nullable=True),
        sa.Column("artifact_sha256", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("pipeline_step_uid", sa.Text(), nullable=True),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.CheckConstraint("basis IN ('raw', 'split_adjusted', 'total_return')", name=op.f("ck_backtest_runs_basis")),
        sa.CheckConstraint("kind IN ('backtest', 'sweep')", name=op.f("ck_backtest_runs_kind")),
        sa.CheckConstraint("status IN ('running', 'completed', 'failed')", name=op.f("ck_backtest_runs_status")),
        sa.ForeignKeyConstraint(
            ["dataset_version_id"],
            ["dataset_versions.id"],
            name="fk_backtest_runs_dataset_version_id",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["pipeline_step_uid"],
            ["pipeline_steps.uid"],
            name="fk_backtest_runs_pipeline_step_uid",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_backtest_runs"),
        sa.UniqueConstraint("uid", name="uq_backtest_runs_uid"),
    )
    op.create_index("ix_backtest_runs_dataset_version_id", "backtest_runs", ["dataset_version_id"])
    op.create_index("ix_backtest_runs_owner_family", "backtest_runs", ["owner", "family"])
    op.create_index("ix_backtest_runs_pipeline_step_uid", "backtest_runs", ["pipeline_step_uid"])
    op.create_index("ix_backtest_runs_strategy_started_at", "backtest_runs", ["strategy", "started_at"])
    op.create_index(
        "uq_backtest_runs_completed_key",
        "backtest_runs",
        ["key"],
        unique=True,
        sqlite_where=sa.text("status = 'completed'"),
        postgresql_where=sa.text("status = 'completed'"),
    )

    op.create_table(
        "backtest_trials",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("run_id", _KEY, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("dataset_id", _KEY, nullable=False),
        sa.Column("trials", _KEY, nullable=False),
        sa.Column("sharpe_mean", sa.Double(), nullable=True),
        sa.Column("sharpe_variance", sa.Double(), nullable=True),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.CheckConstraint("trials >= 1", name=op.f("ck_backtest_trials_trials")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_backtest_trials_dataset_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["backtest_runs.id"], name="fk_backtest_trials_run_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_backtest_trials"),
        sa.UniqueConstraint("run_id", name="uq_backtest_trials_run_id"),
    )
    op.create_index("ix_backtest_trials_dataset_id", "backtest_trials", ["dataset_id"])
    op.create_index("ix_backtest_trials_owner_family_dataset_id", "backtest_trials", ["owner", "family", "dataset_id"])


def downgrade() -> None:
    """Take the step down; indexes go with their tables."""
    for table in reversed(_TABLES):
        op.drop_table(table)
