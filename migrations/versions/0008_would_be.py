"""what the rule would have done with a request that a shadow or a canary kept from it"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("requests", sa.Column("proxy_would_be", sa.Text))
    op.add_column("requests", sa.Column("proxy_would_be_reason", sa.Text))


def downgrade() -> None:
    # What rules would have done is lost; an import of the same log brings it back.
    op.drop_column("requests", "proxy_would_be_reason")
    op.drop_column("requests", "proxy_would_be")
