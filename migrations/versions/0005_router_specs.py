"""routers.checkpoint: where the weights of a router are"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("routers", sa.Column("checkpoint", sa.Text))


def downgrade() -> None:
    op.drop_column("routers", "checkpoint")
