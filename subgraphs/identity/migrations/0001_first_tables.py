"""First tables."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.util import await_only

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SIGN_IN = Path(__file__).with_name("sign_in.sql")


def upgrade() -> None:
    op.create_table(
        "access_role",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("scope_rule", sa.Text(), nullable=False),
        sa.Column("built_in", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("scope_rule in ('OWN', 'TEAM', 'TENANT')", name=op.f("ck_access_role_scope_rule")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_access_role")),
        schema="identity",
    )
    op.create_index("uq_access_role_name", "access_role", ["tenant_id", "name"], unique=True, schema="identity")
    op.create_table(
        "employee_link",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("work_email", sa.Text(), nullable=True),
        sa.Column("manager_id", sa.Uuid(), nullable=True),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_employee_link")),
        schema="identity",
    )
    op.create_index(
        op.f("ix_employee_link_tenant_id_manager_id"),
        "employee_link",
        ["tenant_id", "manager_id"],
        unique=False,
        schema="identity",
    )
    op.create_index(
        op.f("ix_employee_link_tenant_id_work_email"),
        "employee_link",
        ["tenant_id", "work_email"],
        unique=False,
        schema="identity",
    )
    op.create_index(
        "uq_employee_link_employee_id", "employee_link", ["tenant_id", "employee_id"], unique=True, schema="identity"
    )
    op.create_table(
        "session",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("ip", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_session")),
        schema="identity",
    )
    op.create_index(
        op.f("ix_session_tenant_id_user_id_expires_at"),
        "session",
        ["tenant_id", "user_id", "expires_at"],
        unique=False,
        schema="identity",
    )
    op.create_table(
        "tenant",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug_name", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("default_locale", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("base_currency", sa.Text(), nullable=False),
        sa.Column("parent_tenant_id", sa.Uuid(), nullable=True),
        sa.Column("is_operator", sa.Boolean(), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=True),
        sa.Column("invites_employees", sa.Boolean(), nullable=False),
        sa.Column("suspended_for_debt", sa.Boolean(), nullable=False),
        sa.Column("delete_after", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "status in ('PROVISIONING', 'ACTIVE', 'SUSPENDED', 'CLOSED')", name=op.f("ck_tenant_status")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_tenant_id"],
            ["identity.tenant.tenant_id", "identity.tenant.id"],
            name=op.f("fk_tenant_tenant_id_parent_tenant_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_tenant")),
        schema="identity",
    )
    op.create_index(
        op.f("ix_tenant_tenant_id_parent_tenant_id"),
        "tenant",
        ["tenant_id", "parent_tenant_id"],
        unique=False,
        schema="identity",
    )
    op.create_index(
        "uq_tenant_slug_name",
        "tenant",
        ["slug_name"],
        unique=True,
        schema="identity",
        postgresql_where=sa.text("tenant_id = id"),
    )
    op.create_table(
        "user_account",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("mfa_enabled", sa.Boolean(), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_home", sa.Boolean(), nullable=False),
        sa.Column("password_optional", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "status in ('INVITED', 'ACTIVE', 'LOCKED', 'DEACTIVATED')", name=op.f("ck_user_account_status")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_user_account")),
        schema="identity",
    )
    op.create_index("uq_user_account_email", "user_account", ["tenant_id", "email"], unique=True, schema="identity")
    op.create_table(
        "service_credential",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("kind in ('API_KEY', 'MACHINE')", name=op.f("ck_service_credential_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"],
            ["identity.access_role.tenant_id", "identity.access_role.id"],
            name=op.f("fk_service_credential_tenant_id_role_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_service_credential")),
        schema="identity",
    )
    op.create_index(
        op.f("ix_service_credential_tenant_id_role_id"),
        "service_credential",
        ["tenant_id", "role_id"],
        unique=False,
        schema="identity",
    )
    op.create_index(
        "uq_service_credential_prefix", "service_credential", ["tenant_id", "prefix"], unique=True, schema="identity"
    )
    op.create_table(
        "tenant_membership",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("user_account_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=True),
        sa.Column("further_role_ids", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_owner", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("status in ('ACTIVE', 'REMOVED')", name=op.f("ck_tenant_membership_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role_id"],
            ["identity.access_role.tenant_id", "identity.access_role.id"],
            name=op.f("fk_tenant_membership_tenant_id_role_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_account_id"],
            ["identity.user_account.tenant_id", "identity.user_account.id"],
            name=op.f("fk_tenant_membership_tenant_id_user_account_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_tenant_membership")),
        schema="identity",
    )
    op.create_index(
        op.f("ix_tenant_membership_tenant_id_role_id"),
        "tenant_membership",
        ["tenant_id", "role_id"],
        unique=False,
        schema="identity",
    )
    op.create_index(
        op.f("ix_tenant_membership_tenant_id_user_account_id"),
        "tenant_membership",
        ["tenant_id", "user_account_id"],
        unique=False,
        schema="identity",
    )
    op.create_index(
        "uq_tenant_membership_user_account_id",
        "tenant_membership",
        ["tenant_id", "user_account_id"],
        unique=True,
        schema="identity",
    )
    # Several statements at once: the driver's own business.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    await_only(driver.execute(_SIGN_IN.read_text()))


def downgrade() -> None:
    op.execute("drop schema sign_in cascade")
    op.drop_index("uq_tenant_membership_user_account_id", table_name="tenant_membership", schema="identity")
    op.drop_index(
        op.f("ix_tenant_membership_tenant_id_user_account_id"), table_name="tenant_membership", schema="identity"
    )
    op.drop_index(op.f("ix_tenant_membership_tenant_id_role_id"), table_name="tenant_membership", schema="identity")
    op.drop_table("tenant_membership", schema="identity")
    op.drop_index("uq_service_credential_prefix", table_name="service_credential", schema="identity")
    op.drop_index(op.f("ix_service_credential_tenant_id_role_id"), table_name="service_credential", schema="identity")
    op.drop_table("service_credential", schema="identity")
    op.drop_index("uq_user_account_email", table_name="user_account", schema="identity")
    op.drop_table("user_account", schema="identity")
    op.drop_index(
        "uq_tenant_slug_name", table_name="tenant", schema="identity", postgresql_where=sa.text("tenant_id = id")
    )
    op.drop_index(op.f("ix_tenant_tenant_id_parent_tenant_id"), table_name="tenant", schema="identity")
    op.drop_table("tenant", schema="identity")
    op.drop_index(op.f("ix_session_tenant_id_user_id_expires_at"), table_name="session", schema="identity")
    op.drop_table("session", schema="identity")
    op.drop_index("uq_employee_link_employee_id", table_name="employee_link", schema="identity")
    op.drop_index(op.f("ix_employee_link_tenant_id_work_email"), table_name="employee_link", schema="identity")
    op.drop_index(op.f("ix_employee_link_tenant_id_manager_id"), table_name="employee_link", schema="identity")
    op.drop_table("employee_link", schema="identity")
    op.drop_index("uq_access_role_name", table_name="access_role", schema="identity")
    op.drop_table("access_role", schema="identity")
