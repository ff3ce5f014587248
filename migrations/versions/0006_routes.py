"""routes that declare what they route, their changes, the route of a calibration, and
immutability that also holds against REPLACE and TRUNCATE

A route's name may be used again once it was removed, so that the table's own unique name gives way
to an index of the routes that are there. SQLite drops no such constraint: the table is made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)
IMMUTABLE = ("calibrations", "activations", "evaluations", "route_changes")
DECLARED = ("models", "router", "population")
THERE = sa.text("removed_at IS NULL")


def upgrade() -> None:
    if _on_sqlite():
        _make_routes_anew(
            sa.Column("models", sa.JSON),
            sa.Column("router", sa.JSON),
            sa.Column("population", sa.JSON),
            sa.Column("created_at", TIME, nullable=False),
            sa.Column("removed_at", TIME),
            kept="id, name, created_at",
        )
    else:
        op.drop_constraint("uq_routes_name", "routes", type_="unique")
        # Nothing ever wrote them.
        op.drop_column("routes", "weak_deployment")
        op.drop_column("routes", "strong_deployment")
        for name in DECLARED:
            op.add_column("routes", sa.Column(name, sa.JSON))
        op.add_column("routes", sa.Column("removed_at", TIME))
    op.create_index(
        "ix_routes_name",
        "routes",
        ["name"],
        unique=True,
        sqlite_where=THERE,
        postgresql_where=THERE,
    )
    op.create_table(
        "route_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("route_id", ID, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("was", sa.JSON),
        sa.Column("now", sa.JSON),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_route_changes"),
        sa.ForeignKeyConstraint(
            ["route_id"], ["routes.id"], name="fk_route_changes_route_id_routes"
        ),
        sa.CheckConstraint(
            "action IN ('set', 'rename', 'remove')", name=op.f("ck_route_changes_action_known")
        ),
    )
    # The model that answered, where it is not the model group.
    op.add_column("requests", sa.Column("model", sa.Text))
    _give_calibrations_a_route()
    op.add_column("calibrations", sa.Column("run", sa.Text))
    _refuse_updates_and_deletes("route_changes")
    for table in IMMUTABLE:
        _refuse_replacement(table)


def downgrade() -> None:
    # What routes declared and how that changed is lost, and so are the route of a calibration that
    # never ran, the run that made it, and the model that answered where it was not the group.
    for table in IMMUTABLE:
        if _on_sqlite():
            op.execute(f"DROP TRIGGER {table}_no_replace")
        else:
            op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
    op.drop_table("route_changes")
    op.drop_column("calibrations", "run")
    op.drop_column("calibrations", "route_id")
    op.drop_column("requests", "model")
    op.drop_index("ix_routes_name", "routes")
    # A name that was used again is told apart by the id. Only ids are text of their own here.
    op.execute(
        "UPDATE routes SET name = name || ' (removed ' || id || ')' WHERE removed_at IS NOT NULL"
    )
    if _on_sqlite():
        _make_routes_anew(
            sa.Column("strong_deployment", sa.Text),
            sa.Column("weak_deployment", sa.Text),
            sa.Column("created_at", TIME, nullable=False),
            sa.UniqueConstraint("name", name="uq_routes_name"),
            kept="id, name, created_at",
        )
    else:
        for name in ("removed_at", *reversed(DECLARED)):
            op.drop_column("routes", name)
        op.add_column("routes", sa.Column("strong_deployment", sa.Text))
        op.add_column("routes", sa.Column("weak_deployment", sa.Text))
        op.create_unique_constraint("uq_routes_name", "routes", ["name"])


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _make_routes_anew(*columns: sa.schema.SchemaItem, kept: str) -> None:
    """Make SQLite's table of routes with other columns, of the same rows.

    Rows that refer to it wait until the end of the transaction: SQLite counts them when the table
    is dropped, and down again with each row that comes back.
    """
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute(f"CREATE TEMPORARY TABLE kept_routes AS SELECT {kept} FROM routes")
    op.drop_table("routes")
    op.create_table(
        "routes",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name="pk_routes"),
    )
    op.execute(f"INSERT INTO routes ({kept}) SELECT {kept} FROM kept_routes")
    op.execute("DROP TABLE kept_routes")


def _give_calibrations_a_route() -> None:
    """Each belongs to the route that activated it first, else to `default`."""
    reference = "CONSTRAINT fk_calibrations_route_id_routes REFERENCES routes (id)"
    if _on_sqlite():
        # Alembic adds a column's reference in a statement that SQLite does not have.
        op.execute(f"ALTER TABLE calibrations ADD COLUMN route_id INTEGER {reference}")
    else:
        op.execute(f"ALTER TABLE calibrations ADD COLUMN route_id BIGINT {reference}")
    first = (
        "SELECT route_id FROM activations WHERE calibration_id = calibrations.id "
        "ORDER BY id LIMIT 1"
    )
    connection = op.get_bind()
    homeless = connection.execute(
        sa.text(f"SELECT count(*) FROM calibrations WHERE NOT EXISTS ({first})")
    ).scalar_one()
    if homeless:
        connection.execute(
            sa.text(
                "INSERT INTO routes (name, created_at) SELECT 'default', max(created_at) "
                "FROM calibrations HAVING NOT EXISTS (SELECT 1 FROM routes WHERE name = 'default')"
            )
        )
    _drop_update_trigger("calibrations")
    op.execute(
        f"UPDATE calibrations SET route_id = coalesce(({first}), "
        "(SELECT id FROM routes WHERE name = 'default'))"
    )
    _refuse_updates_and_deletes("calibrations")


def _drop_update_trigger(table: str) -> None:
    if _on_sqlite():
        op.execute(f"DROP TRIGGER {table}_no_update")
        op.execute(f"DROP TRIGGER {table}_no_delete")
    else:
        op.execute(f"DROP TRIGGER {table}_immutable ON {table}")


def _refuse_updates_and_deletes(table: str) -> None:
    if _on_sqlite():
        for change in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change} BEFORE {change.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} are immutable'); END"
            )
    else:
        op.execute(
            f"CREATE TRIGGER {table}_immutable BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION routectl_refuse_change()"
        )


def _refuse_replacement(table: str) -> None:
    """Refuse what takes a row's place without deleting it, or all rows without looking at one."""
    if _on_sqlite():
        # REPLACE deletes the row that is in its way, and no trigger is told.
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, '{table} are immutable'); END"
        )
    else:
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION routectl_refuse_change()"
        )
