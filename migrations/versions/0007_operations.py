"""when an activation expires, what a route publishes and tolerates, nightly looks at drift; an
index on the times of requests"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("activations", sa.Column("expires_at", TIME))
    # `status` looks at the last days of many.
    timed = sa.text("time IS NOT NULL")
    op.create_index(
        "ix_requests_time", "requests", ["time"], sqlite_where=timed, postgresql_where=timed
    )
    op.add_column("routes", sa.Column("publish", sa.Text))
    op.add_column("routes", sa.Column("drift_tolerance", sa.Double))
    op.create_table(
        "drift_checks",
        sa.Column("id", ID, nullable=False),
        sa.Column("route_id", ID, nullable=False),
        sa.Column("calibration_id", ID, nullable=False),
        sa.Column("alarm", sa.Text, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("requests", sa.Double, nullable=False),
        sa.Column("share", sa.Double),
        sa.Column("e_value", sa.Double, nullable=False),
        sa.Column("rang", sa.Boolean, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drift_checks"),
        sa.ForeignKeyConstraint(
            ["route_id"], ["routes.id"], name="fk_drift_checks_route_id_routes"
        ),
        sa.ForeignKeyConstraint(
            ["calibration_id"],
            ["calibrations.id"],
            name="fk_drift_checks_calibration_id_calibrations",
        ),
        sa.UniqueConstraint(
            "route_id",
            "calibration_id",
            "alarm",
            "day",
            name="uq_drift_checks_route_id_calibration_id_alarm_day",
        ),
        sa.CheckConstraint(
            "alarm IN ('traffic', 'proxy', 'fallback')", name=op.f("ck_drift_checks_alarm_known")
        ),
    )
    _refuse_changes("drift_checks")


def downgrade() -> None:
    # When activations expire, what routes publish and tolerate, and the looks at drift are lost.
    op.drop_table("drift_checks")
    op.drop_index("ix_requests_time", table_name="requests")
    op.drop_column("routes", "drift_tolerance")
    op.drop_column("routes", "publish")
    op.drop_column("activations", "expires_at")


def _refuse_changes(table: str) -> None:
    """Refuse to change or delete a row, to replace one, and to empty the table."""
    message = f"'{table} are immutable'"
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, {message}); END"
            )
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, {message}); END"
        )
    else:
        for name, changes, each in (
            ("immutable", "UPDATE OR DELETE", "ROW"),
            ("no_truncate", "TRUNCATE", "STATEMENT"),
        ):
            op.execute(
                f"CREATE TRIGGER {table}_{name} BEFORE {changes} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION routectl_refuse_change()"
            )
