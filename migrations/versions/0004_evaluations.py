"""evaluations: how good a router was on prompts whose answers were judged"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "evaluations",
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("package_version", sa.Text, nullable=False),
        sa.Column("benchmark", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("data_digest", sa.Text, nullable=False),
        sa.Column("router_id", ID, nullable=False),
        sa.Column("router", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("strong_model", sa.Text, nullable=False),
        sa.Column("weak_model", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("draws", sa.BigInteger, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("strong_quality", sa.Double, nullable=False),
        sa.Column("weak_quality", sa.Double, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("columns", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evaluations"),
        sa.ForeignKeyConstraint(
            ["router_id"], ["routers.id"], name="fk_evaluations_router_id_routers"
        ),
        sa.CheckConstraint(
            "kind IN ('benchmark', 'traffic')", name=op.f("ck_evaluations_kind_known")
        ),
    )
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(
            "CREATE TRIGGER evaluations_immutable BEFORE UPDATE OR DELETE ON evaluations "
            "FOR EACH ROW EXECUTE FUNCTION routectl_refuse_change()"
        )
    elif dialect == "sqlite":
        for change in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER evaluations_no_{change} BEFORE {change.upper()} ON evaluations "
                "BEGIN SELECT RAISE(ABORT, 'evaluations are immutable'); END"
            )


def downgrade() -> None:
    # Their prompts stay: a router may have scored them, and no question about traffic sees them.
    op.drop_table("evaluations")
