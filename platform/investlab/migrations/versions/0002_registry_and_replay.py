"""Models and the replay clock: training runs, model versions and their aliases, replay passes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_FORMATS = "artifact_format IN ('lightgbm_text', 'linear_json')"
_TABLES = ("training_runs", "model_versions", "model_aliases", "replay_passes")


def upgrade() -> None:
    """Take the step up."""
    op.create_table(
        "training_runs",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("learner", sa.Text(), nullable=False),
        sa.Column("learner_identity", sa.Text(), nullable=True),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("dataset_version_id", _KEY, nullable=False),
        sa.Column("as_of", _MOMENT, nullable=True),
        sa.Column("panel_id", sa.Text(), nullable=False),
        sa.Column("panel", sa.JSON(), nullable=False),
        sa.Column("code_identity", sa.Text(), nullable=False),
        sa.Column("lock_hash", sa.Text(), nullable=False),
        sa.Column("platform_version", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("signature", sa.JSON(), nullable=True),
        sa.Column("artifact_format", sa.Text(), nullable=True),
        sa.Column("artifact_sha256", sa.Text(), nullable=True),
        sa.Column("evaluation_sha256", sa.Text(), nullable=True),
        sa.Column("scorecard", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("pipeline_step_uid", sa.Text(), nullable=True),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.CheckConstraint("status IN ('running', 'completed', 'failed')", name=op.f("ck_training_runs_status")),
        sa.CheckConstraint(_FORMATS, name=op.f("ck_training_runs_artifact_format")),
        sa.ForeignKeyConstraint(
            ["dataset_version_id"],
            ["dataset_versions.id"],
            name="fk_training_runs_dataset_version_id",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["pipeline_step_uid"],
            ["pipeline_steps.uid"],
            name="fk_training_runs_pipeline_step_uid",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_training_runs"),
        sa.UniqueConstraint("uid", name="uq_training_runs_uid"),
    )
    op.create_index("ix_training_runs_dataset_version_id", "training_runs", ["dataset_version_id"])
    op.create_index("ix_training_runs_learner_started_at", "training_runs", ["learner", "started_at"])
    op.create_index("ix_training_runs_panel_id", "training_runs", ["panel_id"])
    op.create_index("ix_training_runs_pipeline_step_uid", "training_runs", ["pipeline_step_uid"])
    op.create_index(
        "uq_training_runs_completed_key",
        "training_runs",
        ["key"],
        unique=True,
        sqlite_where=sa.text("status = 'completed'"),
        postgresql_where=sa.text("status = 'completed'"),
    )

    op.create_table(
        "model_versions",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("number", _KEY, nullable=False),
        sa.Column("training_run_id", _KEY, nullable=False),
        sa.Column("learner", sa.Text(), nullable=False),
        sa.Column("signature", sa.JSON(), nullable=False),
        sa.Column("artifact_format", sa.Text(), nullable=False),
        sa.Column("artifact_sha256", sa.Text(), nullable=False),
        sa.Column("evaluation_sha256", sa.Text(), nullable=False),
        sa.Column("scorecard", sa.JSON(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint(_FORMATS, name=op.f("ck_model_versions_artifact_format")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_model_versions_number")),
        sa.ForeignKeyConstraint(
            ["training_run_id"], ["training_runs.id"], name="fk_model_versions_training_run_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions"),
        sa.UniqueConstraint("model", "content_hash", name="uq_model_versions_model_content_hash"),
        sa.UniqueConstraint("model", "number", name="uq_model_versions_model_number"),
        sa.UniqueConstraint("uid", name="uq_model_versions_uid"),
    )
    op.create_index("ix_model_versions_training_run_id", "model_versions", ["training_run_id"])

    op.create_table(
        "model_aliases",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("version_id", _KEY, nullable=False),
        sa.Column("moved_at", _MOMENT, nullable=False),
        sa.CheckConstraint("alias IN ('champion', 'challenger')", name=op.f("ck_model_aliases_alias")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name="fk_model_aliases_version_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model_aliases"),
        sa.UniqueConstraint("model", "alias", name="uq_model_aliases_model_alias"),
    )
    op.create_index("ix_model_aliases_version_id", "model_aliases", ["version_id"])

    op.create_table(
        "replay_passes",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("number", _KEY, nullable=False),
        sa.Column("dataset_id", _KEY, nullable=False),
        sa.Column("first_session", sa.Date(), nullable=False),
        sa.Column("last_session", sa.Date(), nullable=False),
        sa.Column("session", sa.Date(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint("status IN ('running', 'completed')", name=op.f("ck_replay_passes_status")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_replay_passes_number")),
        sa.CheckConstraint("first_session <= last_session", name=op.f("ck_replay_passes_span")),
        sa.CheckConstraint(
            "session IS NULL OR session BETWEEN first_session AND last_session", name=op.f("ck_replay_passes_session")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_replay_passes_dataset_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_replay_passes"),
        sa.UniqueConstraint("dataset_id", "number", name="uq_replay_passes_dataset_id_number"),
        sa.UniqueConstraint("uid", name="uq_replay_passes_uid"),
    )
    op.create_index(
        "uq_replay_passes_running",
        "replay_passes",
        ["dataset_id"],
        unique=True,
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )


def downgrade() -> None:
    """Take the step down; indexes go with their tables."""
    for table in reversed(_TABLES):
        op.drop_table(table)
