"""When a session went on in another tenant: no end of it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("left_at", sa.DateTime(timezone=True), nullable=True), schema="identity")


def downgrade() -> None:
    op.drop_column("session", "left_at", schema="identity")
