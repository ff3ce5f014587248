"""samples, prompts, requests, routers, scores, calibrations, routes, activations"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)
IMMUTABLE = ("calibrations", "activations")


def upgrade() -> None:
    op.create_table(
        "samples",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_kind", sa.Text, nullable=False),
        sa.Column("population", sa.JSON, nullable=False),
        sa.Column("sample_size", ID),
        sa.Column("seen", ID, nullable=False),
        sa.Column("kept", ID, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("extraction_version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_samples"),
        sa.UniqueConstraint("key", name="uq_samples_key"),
    )
    op.create_table(
        "prompts",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("length", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prompts"),
        sa.UniqueConstraint("digest", name="uq_prompts_digest"),
    )
    op.create_table(
        "requests",
        sa.Column("id", ID, nullable=False),
        sa.Column("sample_id", ID, nullable=False),
        sa.Column("source_kind", sa.Text, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("attempt_key", sa.Text),
        sa.Column("prompt_id", ID),
        sa.Column("exclusion", sa.Text),
        sa.Column("weight", sa.Double, nullable=False),
        sa.Column("extraction_version", sa.Integer, nullable=False),
        sa.Column("time", sa.Double),
        sa.Column("model_group", sa.Text),
        sa.Column("call_type", sa.Text),
        sa.Column("status", sa.Text),
        sa.Column("cache_hit", sa.Boolean),
        sa.Column("team", sa.Text),
        sa.Column("key_alias", sa.Text),
        sa.Column("end_user", sa.Text),
        sa.Column("tags", sa.Text),
        sa.Column("conversation", sa.Text),
        sa.Column("conversation_key", sa.BigInteger),
        sa.Column("tokens_in", sa.BigInteger),
        sa.Column("tokens_out", sa.BigInteger),
        sa.Column("cost", sa.Double),
        sa.Column("proxy_decision", sa.Text),
        sa.Column("proxy_score", sa.Double),
        sa.Column("proxy_fingerprint", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        sa.UniqueConstraint("source_kind", "source_id", name="uq_requests_source_kind_source_id"),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name="fk_requests_sample_id_samples"
        ),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name="fk_requests_prompt_id_prompts"
        ),
        sa.CheckConstraint("weight > 0", name=op.f("ck_requests_weight_positive")),
        sa.CheckConstraint(
            "(prompt_id IS NULL) <> (exclusion IS NULL)",
            name=op.f("ck_requests_prompt_or_exclusion"),
        ),
    )
    op.create_index("ix_requests_attempt_key", "requests", ["attempt_key"], unique=True)
    op.create_index("ix_requests_prompt_id", "requests", ["prompt_id"])
    op.create_index("ix_requests_sample_id", "requests", ["sample_id"])
    op.create_table(
        "routers",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("strong_model", sa.Text),
        sa.Column("weak_model", sa.Text),
        sa.Column("noise", sa.Double, nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("engine", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_routers"),
        sa.UniqueConstraint("name", "fingerprint", name="uq_routers_name_fingerprint"),
    )
    op.create_table(
        "scores",
        sa.Column("router_id", ID, nullable=False),
        sa.Column("prompt_id", ID, nullable=False),
        sa.Column("win_rate", sa.Double, nullable=False),
        sa.Column("longer_than_read", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("router_id", "prompt_id", name="pk_scores"),
        sa.ForeignKeyConstraint(["router_id"], ["routers.id"], name="fk_scores_router_id_routers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_scores_prompt_id_prompts"),
        sa.CheckConstraint(
            "win_rate >= 0 AND win_rate <= 1", name=op.f("ck_scores_win_rate_range")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "calibrations",
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("package_version", sa.Text, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("router", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("strong_model", sa.Text),
        sa.Column("weak_model", sa.Text),
        sa.Column("population", sa.JSON, nullable=False),
        sa.Column("sample_ids", sa.JSON, nullable=False),
        sa.Column("target", sa.JSON, nullable=False),
        sa.Column("threshold", sa.Text, nullable=False),
        sa.Column("gap_lower", sa.Double, nullable=False),
        sa.Column("gap_upper", sa.Double, nullable=False),
        sa.Column("strong_fraction", sa.Double, nullable=False),
        sa.Column("next_share_below", sa.Double),
        sa.Column("next_share_above", sa.Double),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("prompts", sa.BigInteger, nullable=False),
        sa.Column("clusters", sa.BigInteger, nullable=False),
        sa.Column("cluster_kind", sa.Text, nullable=False),
        sa.Column("effective_size", sa.Double, nullable=False),
        sa.Column("intervals", sa.JSON, nullable=False),
        sa.Column("excluded", sa.JSON, nullable=False),
        sa.Column("rows_digest", sa.Text, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calibrations"),
        sa.ForeignKeyConstraint(
            ["router_id"], ["routers.id"], name="fk_calibrations_router_id_routers"
        ),
    )
    op.create_table(
        "routes",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("strong_deployment", sa.Text),
        sa.Column("weak_deployment", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_routes"),
        sa.UniqueConstraint("name", name="uq_routes_name"),
    )
    op.create_table(
        "activations",
        sa.Column("id", ID, nullable=False),
        sa.Column("route_id", ID, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("calibration_id", ID),
        sa.Column("restores_id", ID),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_activations"),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name="fk_activations_route_id_routes"),
        sa.ForeignKeyConstraint(
            ["calibration_id"],
            ["calibrations.id"],
            name="fk_activations_calibration_id_calibrations",
        ),
        sa.ForeignKeyConstraint(
            ["restores_id"], ["activations.id"], name="fk_activations_restores_id_activations"
        ),
        sa.CheckConstraint(
            "mode IN ('threshold', 'always_strong', 'always_weak')",
            name=op.f("ck_activations_mode_known"),
        ),
        sa.CheckConstraint(
            "(mode = 'threshold') = (calibration_id IS NOT NULL)",
            name=op.f("ck_activations_threshold_calibration"),
        ),
    )
    op.create_index("ix_activations_route_id", "activations", ["route_id"])
    _refuse_changes()


def downgrade() -> None:
    for table in (
        "activations",
        "routes",
        "calibrations",
        "scores",
        "routers",
        "requests",
        "prompts",
        "samples",
    ):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION routectl_refuse_change()")


def _refuse_changes() -> None:
    """What was decided stays decided: the database itself refuses to change such a row."""
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(
            "CREATE FUNCTION routectl_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% are immutable', TG_TABLE_NAME; END $$"
        )
    for table in IMMUTABLE:
        if dialect == "postgresql":
            op.execute(
                f"CREATE TRIGGER {table}_immutable BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION routectl_refuse_change()"
            )
        elif dialect == "sqlite":
            for change in ("update", "delete"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{change} BEFORE {change.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} are immutable'); END"
                )
