"""A tenant's own OpenID Connect provider, and whom it knows."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.util import await_only

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SIGN_IN = Path(__file__).with_name("providers.sql")


def upgrade() -> None:
    op.create_table(
        "external_identity",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject_name", sa.Text(), nullable=False),
        sa.Column("user_account_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_account_id"],
            ["identity.user_account.tenant_id", "identity.user_account.id"],
            name=op.f("fk_external_identity_tenant_id_user_account_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_external_identity")),
        schema="identity",
    )
    op.create_index(
        op.f("ix_external_identity_tenant_id_user_account_id"),
        "external_identity",
        ["tenant_id", "user_account_id"],
        unique=False,
        schema="identity",
    )
    op.create_index(
        "uq_external_identity_issuer_subject_name",
        "external_identity",
        ["tenant_id", "issuer", "subject_name"],
        unique=True,
        schema="identity",
    )
    op.create_table(
        "identity_provider",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=True),
        sa.Column("allowed_domains", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("default_role_id", sa.Uuid(), nullable=True),
        sa.Column("role_claim", sa.Text(), nullable=True),
        sa.Column("role_mapping", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "default_role_id"],
            ["identity.access_role.tenant_id", "identity.access_role.id"],
            name=op.f("fk_identity_provider_tenant_id_default_role_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_identity_provider")),
        schema="identity",
    )
    op.create_index(
        op.f("ix_identity_provider_tenant_id_default_role_id"),
        "identity_provider",
        ["tenant_id", "default_role_id"],
        unique=False,
        schema="identity",
    )
    op.create_index(
        "uq_identity_provider_issuer", "identity_provider", ["tenant_id", "issuer"], unique=True, schema="identity"
    )
    # Several statements at once: the driver's own business.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    await_only(driver.execute(_SIGN_IN.read_text()))


def downgrade() -> None:
    op.execute("drop table sign_in.oidc_flow")
    op.drop_index("uq_identity_provider_issuer", table_name="identity_provider", schema="identity")
    op.drop_index(
        op.f("ix_identity_provider_tenant_id_default_role_id"), table_name="identity_provider", schema="identity"
    )
    op.drop_table("identity_provider", schema="identity")
    op.drop_index("uq_external_identity_issuer_subject_name", table_name="external_identity", schema="identity")
    op.drop_index(
        op.f("ix_external_identity_tenant_id_user_account_id"), table_name="external_identity", schema="identity"
    )
    op.drop_table("external_identity", schema="identity")
