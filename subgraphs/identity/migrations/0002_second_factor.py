"""Second factor, and access tokens that end before their time."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.util import await_only

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SIGN_IN = Path(__file__).with_name("second_factor.sql")


def upgrade() -> None:
    false, optional = sa.text("false"), sa.text("'OPTIONAL'")
    op.add_column(
        "session", sa.Column("vouched", sa.Boolean(), nullable=False, server_default=false), schema="identity"
    )
    op.add_column(
        "tenant", sa.Column("mfa_policy", sa.Text(), nullable=False, server_default=optional), schema="identity"
    )
    op.alter_column("session", "vouched", server_default=None, schema="identity")
    op.alter_column("tenant", "mfa_policy", server_default=None, schema="identity")
    op.create_check_constraint(
        op.f("ck_tenant_mfa_policy"),
        "tenant",
        "mfa_policy in ('OPTIONAL', 'PRIVILEGED', 'EVERYONE')",
        schema="identity",
    )
    # Several statements at once: the driver's own business.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    await_only(driver.execute(_SIGN_IN.read_text()))


def downgrade() -> None:
    op.execute("drop table sign_in.recovery_code, sign_in.second_factor, sign_in.revocation")
    op.execute("alter table sign_in.refresh_family drop column vouched")
    op.drop_constraint(op.f("ck_tenant_mfa_policy"), "tenant", schema="identity")
    op.drop_column("tenant", "mfa_policy", schema="identity")
    op.drop_column("session", "vouched", schema="identity")
