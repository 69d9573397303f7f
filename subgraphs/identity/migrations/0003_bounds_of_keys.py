"""Where a program's key may be used from, and for which modules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COLUMNS = ("allowed_addresses", "allowed_origins", "modules")


def upgrade() -> None:
    for name in _COLUMNS:
        kind, empty = postgresql.JSONB(none_as_null=True), sa.text("'[]'")
        column = sa.Column(name, kind, nullable=False, server_default=empty)
        op.add_column("service_credential", column, schema="identity")
        op.alter_column("service_credential", name, server_default=None, schema="identity")


def downgrade() -> None:
    for name in reversed(_COLUMNS):
        op.drop_column("service_credential", name, schema="identity")
