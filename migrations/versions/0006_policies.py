"""policies: what decides a request, as a record of calibrations and activations"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Rows from before keep no policy: what they cannot say is which checkpoint scored. The text
    # extraction had one version until then.
    op.add_column("calibrations", sa.Column("policy", sa.JSON))
    op.add_column(
        "calibrations",
        sa.Column("extraction_version", sa.Integer, nullable=False, server_default="1"),
    )
    op.add_column("activations", sa.Column("policy", sa.JSON))


def downgrade() -> None:
    # Without a batch, which would make the tables anew and lose the triggers that protect them.
    # The columns that a config string takes stay; checkpoints and mappings are lost.
    op.drop_column("activations", "policy")
    op.drop_column("calibrations", "extraction_version")
    op.drop_column("calibrations", "policy")
