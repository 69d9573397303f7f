"""What HR tells of its rows to modules that came after their events."""

from collections.abc import Sequence

from shared.database.transaction import Transaction
from shared.events.state import state_of
from shared.wire.envelope import Event
from subgraphs.hr.events import EmployeeHired, EmployeeTerminated
from subgraphs.hr.models import Employee, EmployeeStatus, LeaveRequestKind, absence


@state_of(Employee, EmployeeHired, EmployeeTerminated)
async def tell_employees(tx: Transaction, rows: Sequence[Employee]) -> list[Event]:
    """Who works here and for whom, and when those leave, or left, of whom that is known; nothing of candidates."""
    told: list[Event] = []
    for person in rows:
        if person.status is EmployeeStatus.CANDIDATE:
            continue
        told.append(person.hired())
        if person.left_on is not None:
            unused = await absence.balance_on(tx, person.id, LeaveRequestKind.ANNUAL, person.left_on)
            told.append(EmployeeTerminated.of(person, unused_leave_days=unused))
    return told
