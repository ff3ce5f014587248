"""specs and policies: which checkpoint a router was opened with, and what decides a request

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
MAPPING, SCORED_WITH = "as", "scored_with"


def upgrade() -> None:
    # Rows from before keep no policy: what they cannot say is which checkpoint scored. The text
    # extraction had one version until then.
    op.add_column("calibrations", sa.Column("policy", sa.JSON))
    op.add_column(
        "calibrations",
        sa.Column("extraction_version", sa.Integer, nullable=False, server_default="1"),
    )
    op.add_column("activations", sa.Column("policy", sa.JSON))
    op.add_column("routers", sa.Column("checkpoint", sa.Text))
    connection = op.get_bind()
    routers = connection.execute(sa.select(ROUTERS).order_by(ROUTERS.c.id)).all()
    for mapped in routers:
        if isinstance(mapped.config.get(SCORED_WITH), str):
            _move_scores(connection, mapped.id, _base(connection, mapped))


def downgrade() -> None:
    # Without a batch, which would make the tables anew and lose the triggers that protect them.
    # What a config string takes stays; policies are lost, and with them mappings and segments.
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
