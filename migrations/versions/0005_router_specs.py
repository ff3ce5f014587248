"""specs, policies and request facts: what opens a router, what decides, what a request needs

A router that was opened with --as had a fingerprint and scores of its own until here, though the
new names of its models change no score. Its scores go to the router that it was scored with,
which is made where it was never stored. Its own row stays, without scores: calibrations and
evaluations refer to it, and are immutable.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

ROUTERS = sa.table(
    "routers",
    sa.column("id", ID),
    sa.column("name", sa.Text),
    sa.column("fingerprint", sa.Text),
    sa.column("strong_model", sa.Text),
    sa.column("weak_model", sa.Text),
    sa.column("noise", sa.Double),
    sa.column("config", sa.JSON),
    sa.column("engine", sa.JSON),
    sa.column("created_at", sa.DateTime(timezone=True)),
)
SCORES = sa.table(
    "scores",
    sa.column("router_id", ID),
    sa.column("prompt_id", ID),
    sa.column("win_rate", sa.Double),
    sa.column("longer_than_read", sa.Boolean),
)
REQUEST_COLUMNS = {
    "proxy_route": sa.Text,
    "proxy_activation": sa.Text,
    "proxy_model": sa.Text,
    "proxy_reason": sa.Text,
    "proxy_extraction_version": sa.Integer,
    "images": sa.BigInteger,
    "tools": sa.BigInteger,
    "response_format": sa.Text,
}
"""What the proxy's plug-in decided, and what a request needs of a model."""

MAPPING, SCORED_WITH = "as", "scored_with"


def upgrade() -> None:
    # Rows from before keep no policy: what they cannot say is which checkpoint scored. The text
    # extraction had one version until then; after a downgrade it is that of the newest import.
    newest = sa.text("SELECT coalesce(max(extraction_version), 1) FROM samples")
    extraction_version = op.get_bind().execute(newest).scalar_one()
    op.add_column("calibrations", sa.Column("policy", sa.JSON))
    op.add_column(
        "calibrations",
        sa.Column(
            "extraction_version", sa.Integer, nullable=False, server_default=str(extraction_version)
        ),
    )
    op.add_column("activations", sa.Column("policy", sa.JSON))
    for name, kind in REQUEST_COLUMNS.items():
        op.add_column("requests", sa.Column(name, kind))
    # From the first row that names a route on, only such rows count for it.
    named = sa.text("proxy_route IS NOT NULL")
    op.create_index(
        "ix_requests_proxy_route_time",
        "requests",
        ["proxy_route", "time"],
        sqlite_where=named,
        postgresql_where=named,
    )
    op.add_column("routers", sa.Column("checkpoint", sa.Text))
    connection = op.get_bind()
    routers = connection.execute(sa.select(ROUTERS).order_by(ROUTERS.c.id)).all()
    for mapped in routers:
        if isinstance(mapped.config.get(SCORED_WITH), str):
            _move_scores(connection, mapped.id, _base(connection, mapped))


def downgrade() -> None:
    # Without a batch, which would make the tables anew and lose the triggers that protect them.
    # What a config string takes stays; policies are lost, and with them mappings and segments.
    op.drop_index("ix_requests_proxy_route_time", table_name="requests")
    # Attempt keys of another form than before meet no row: attempts would count as requests only
    # where a log is imported again, and its rows are then found by their ids.
    for name in reversed(REQUEST_COLUMNS):
        op.drop_column("requests", name)
    op.drop_column("activations", "policy")
    op.drop_column("calibrations", "extraction_version")
    op.drop_column("calibrations", "policy")
    # The checkpoints' names are lost; scoring again after an upgrade brings them back. Scores stay
    # with the known models' routers: an older routectl scores for mapped names anew.
    op.drop_column("routers", "checkpoint")


def _base(connection: sa.Connection, mapped: sa.Row) -> int:
    """The id of the router that a mapped one was scored with, made where there is none."""
    fingerprint = mapped.config[SCORED_WITH]
    query = sa.select(ROUTERS.c.id).where(
        ROUTERS.c.name == mapped.name, ROUTERS.c.fingerprint == fingerprint
    )
    stored = connection.execute(query).scalar()
    if stored is not None:
        return stored
    mapping = mapped.config.get(MAPPING)
    known = mapping if isinstance(mapping, dict) else {}
    strong = known.get(mapped.strong_model, mapped.strong_model)
    weak = known.get(mapped.weak_model, mapped.weak_model)
    config = {k: v for k, v in mapped.config.items() if k not in (MAPPING, SCORED_WITH)}
    config |= {"strong_model": strong, "weak_model": weak}
    values = {
        "name": mapped.name,
        "fingerprint": fingerprint,
        "strong_model": strong,
        "weak_model": weak,
        "noise": mapped.noise,
        "config": config,
        "engine": mapped.engine,
        "created_at": mapped.created_at,
    }
    connection.execute(sa.insert(ROUTERS).values(values))
    return connection.execute(query).scalar_one()


def _move_scores(connection: sa.Connection, mapped: int, base: int) -> None:
    """Give a router's scores to another, which keeps those that it has."""
    there = SCORES.alias()
    missing = sa.select(
        sa.literal(base), SCORES.c.prompt_id, SCORES.c.win_rate, SCORES.c.longer_than_read
    ).where(
        SCORES.c.router_id == mapped,
        ~sa.exists().where(there.c.router_id == base, there.c.prompt_id == SCORES.c.prompt_id),
    )
    connection.execute(sa.insert(SCORES).from_select([c.name for c in SCORES.c], missing))
    connection.execute(sa.delete(SCORES).where(SCORES.c.router_id == mapped))
