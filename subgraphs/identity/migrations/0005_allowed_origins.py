"""The pages that a tenant lets call the API from a browser."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind, empty = postgresql.JSONB(none_as_null=True), sa.text("'[]'")
    op.add_column("tenant", sa.Column("allowed_origins", kind, nullable=False, server_default=empty), schema="identity")
    op.alter_column("tenant", "allowed_origins", server_default=None, schema="identity")
    op.execute("grant select (allowed_origins, status) on identity.tenant to mewayz_identity_login")


def downgrade() -> None:
    op.execute("revoke select (allowed_origins, status) on identity.tenant from mewayz_identity_login")
    op.drop_column("tenant", "allowed_origins", schema="identity")
