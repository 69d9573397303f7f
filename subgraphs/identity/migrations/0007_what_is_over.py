"""Sign-in forgets what is over: its role keeps a schedule, and finds it by time."""

from pathlib import Path

from alembic import op
from sqlalchemy.util import await_only

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SCHEDULE = Path(__file__).with_name("schedule.sql")
_TIMES = {"refresh_family": "expires_at", "one_time_token": "expires_at", "letter": "created_at"}


def upgrade() -> None:
    for table, column in _TIMES.items():
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], schema="sign_in")
    # Several statements at once: the driver's own business.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    await_only(driver.execute(_SCHEDULE.read_text()))


def downgrade() -> None:
    op.execute("drop policy sign_in on kit.schedule")
    op.execute("revoke all on kit.schedule, kit.consumer_lease from mewayz_identity_login")
    op.execute("revoke usage on schema kit from mewayz_identity_login")
    for table, column in _TIMES.items():
        op.drop_index(op.f(f"ix_{table}_{column}"), table, schema="sign_in")
