"""what a rule would have done in a shadow or outside a canary; a first look at drift stays"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_FIRST_LOOK = "drift_checks_first_look_stays"


def upgrade() -> None:
    op.add_column("requests", sa.Column("proxy_would_be", sa.Text))
    op.add_column("requests", sa.Column("proxy_would_be_reason", sa.Text))
    if op.get_bind().dialect.name == "sqlite":
        # 0007 refuses a REPLACE of a row's id; this one by the day that it is of, which an insert
        # that ignores conflicts may meet.
        key = ("route_id", "calibration_id", "alarm", "day")
        op.execute(
            f"CREATE TRIGGER {_FIRST_LOOK} BEFORE INSERT ON drift_checks WHEN EXISTS (SELECT 1 "
            f"FROM drift_checks WHERE {' AND '.join(f'{name} = NEW.{name}' for name in key)}) "
            "BEGIN SELECT RAISE(IGNORE); END"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {_FIRST_LOOK}")
    # What rules would have done is lost; an import of the same log brings it back.
    op.drop_column("requests", "proxy_would_be_reason")
    op.drop_column("requests", "proxy_would_be")
