"""Built-in roles may read what their commands name (ADR 0025), also in companies that have them already."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ADDED = {
    "projects.project.read": "projects.time.log@own",
    "projects.project_task.read": "projects.time.log@own",
    "identity.access_role.read": "hr.*",
}
_ADD = sa.text("""
    update identity.access_role set permissions = permissions || ' ' || :added
    where built_in and :beside = any(string_to_array(permissions, ' '))
        and not :added = any(string_to_array(permissions, ' '))
""")


def upgrade() -> None:
    # All tenants' rows change: the owner is held by row-level security too, until rls.sql runs again behind this.
    op.execute("alter table identity.access_role no force row level security")
    for added, beside in _ADDED.items():
        op.get_bind().execute(_ADD, {"added": added, "beside": beside})


def downgrade() -> None:
    """Leave them: they harm nobody."""
