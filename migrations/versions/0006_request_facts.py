"""requests: what the proxy's plug-in decided, and what a request needs of a model"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

COLUMNS = {
    "proxy_route": sa.Text,
    "proxy_activation": sa.Text,
    "proxy_model": sa.Text,
    "proxy_reason": sa.Text,
    "proxy_extraction_version": sa.Integer,
    "images": sa.BigInteger,
    "tools": sa.BigInteger,
    "response_format": sa.Text,
}


def upgrade() -> None:
    # Rows from before keep none of this: importing their log again, which a new extraction
    # version asks for anyway, fills it in.
    for name, kind in COLUMNS.items():
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


def downgrade() -> None:
    op.drop_index("ix_requests_proxy_route_time", table_name="requests")
    # Attempt keys of another form than before meet no row: attempts would count as requests only
    # where a log is imported again, and its rows are then found by their ids.
    for name in reversed(COLUMNS):
        op.drop_column("requests", name)
