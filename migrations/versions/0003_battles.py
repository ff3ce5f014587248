"""battles: preference records that routers are trained on"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "battles",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("prompt_id", ID, nullable=False),
        sa.Column("model_a", sa.Text, nullable=False),
        sa.Column("model_b", sa.Text, nullable=False),
        sa.Column("winner", sa.Text, nullable=False),
        sa.Column("annotator", sa.Text),
        sa.Column("imported_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_battles"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_battles_prompt_id_prompts"),
        sa.UniqueConstraint("source", "source_id", name="uq_battles_source_source_id"),
        sa.CheckConstraint(
            "winner IN ('model_a', 'model_b', 'tie')", name=op.f("ck_battles_winner_known")
        ),
    )
    op.create_index("ix_battles_prompt_id", "battles", ["prompt_id"])


def downgrade() -> None:
    # Their prompts stay: a router may have scored them, and no question about traffic sees them.
    op.drop_table("battles")
