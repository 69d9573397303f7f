"""The facts HR publishes, and its own reading of the facts it hears (tier1.md, 4)."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import Field

from shared.values import Money, Part
from shared.wire.envelope import Event


class EmployeeHired(Event, type="employee.hired", aggregate="Employee"):
    """Someone joins."""

    employee_id: UUID
    employee_number: str
    full_name: str
    work_email: str | None
    department_id: UUID
    manager_id: UUID | None
    job_title: str | None
    hired_on: date


class EmployeeTransferred(Event, type="employee.transferred", aggregate="Employee"):
    """Someone changes department or manager."""

    employee_id: UUID
    from_department_id: UUID
    to_department_id: UUID
    manager_id: UUID | None
    effective_on: date


class EmployeeTerminated(Event, type="employee.terminated", aggregate="Employee"):
    """Someone leaves; said again with another date when that changes, with null when it is withdrawn (HR-15)."""

    employee_id: UUID
    user_id: UUID | None
    left_on: date | None
    unused_leave_days: Decimal


class LeaveDay(Part):
    """One working day of a leave, or half of one (HR-15)."""

    date: date
    part: str


class LeaveRequested(Event, type="leave.requested", aggregate="LeaveRequest"):
    """Someone asks for leave."""

    leave_request_id: UUID
    employee_id: UUID
    approver_employee_id: UUID | None
    starts_on: date
    ends_on: date
    days: Decimal


class LeaveApproved(Event, type="leave.approved", aggregate="LeaveRequest"):
    """A leave is agreed, with the working days it takes; its kind stays in HR (HR-15)."""

    leave_request_id: UUID
    employee_id: UUID
    paid: bool
    starts_on: date
    ends_on: date
    days: Decimal
    dates: tuple[LeaveDay, ...]


class LeaveCancelled(Event, type="leave.cancelled", aggregate="LeaveRequest"):
    """An agreed leave is given back, with its working days (HR-15)."""

    leave_request_id: UUID
    employee_id: UUID
    paid: bool
    starts_on: date
    ends_on: date
    days: Decimal
    dates: tuple[LeaveDay, ...]


class CommissionAccrued(Event, type="commission.accrued", aggregate="CommissionEntry"):
    """A commission is expected; said again with another amount when its period is rated anew, 0 if reversed (HR-7)."""

    commission_entry_id: UUID
    employee_id: UUID
    deal_id: UUID | None
    amount: Money
    base_amount: Money
    period_label: str


class CommissionApproved(Event, type="commission.approved", aggregate="CommissionEntry"):
    """A commission is to be paid (HR-14)."""

    commission_entry_id: UUID
    employee_id: UUID
    kind: str
    amount: Money
    period_label: str


class CommissionClawedBack(Event, type="commission.clawed_back", aggregate="CommissionEntry"):
    """An approved commission is taken back in part or whole: a negative amount (HR-9, HR-14)."""

    commission_entry_id: UUID
    original_entry_id: UUID
    employee_id: UUID
    deal_id: UUID | None
    amount: Money
    reason: str
    period_label: str


class SalesTeamShare(Part):
    """One person's share of a deal, as CRM tells it."""

    employee_id: UUID
    split_pct: Decimal


class WonLine(Part):
    """As much of a deal's line as a commission on units needs."""

    quantity: Decimal = Decimal(0)


class DealCloseWon(Event, type="deal.close.won"):
    """CRM: a deal was won; (dealId, closingNo) names this closing for ever."""

    deal_id: UUID
    closing_no: int
    salesperson_id: UUID | None = None
    sales_team: tuple[SalesTeamShare, ...] = ()
    amount: Money
    margin_amount: Money | None = None
    lines: tuple[WonLine, ...] = ()
    closed_on: date
    closed_at: datetime


class DealReopened(Event, type="deal.reopened"):
    """CRM: a closed deal is open again; only a WON one undoes something (CRM-3)."""

    deal_id: UUID
    closing_no: int
    previous_status: str


class InvoiceIssued(Event, type="invoice.issued"):
    """Invoicing: an invoice got its number."""

    invoice_id: UUID
    origin_key: str | None = None
    issue_date: date
    net_total: Money
    gross_total: Money


class InvoicePaid(Event, type="invoice.paid"):
    """Invoicing: nothing of an invoice is open any more."""

    invoice_id: UUID
    origin_key: str | None = None
    net_total: Money
    gross_total: Money
    paid_on: date


class InvoiceVoided(Event, type="invoice.voided"):
    """Invoicing: an invoice stands no longer."""

    invoice_id: UUID
    number: str | None = None
    origin_key: str | None = None


class InvoicePaymentRecorded(Event, type="invoice.payment.recorded"):
    """Invoicing: money came in for an invoice, or was taken back."""

    invoice_payment_id: UUID
    invoice_id: UUID | None = None
    amount: Money
    method: str


class CreditNoteIssued(Event, type="credit_note.issued"):
    """Invoicing: part or all of an invoice was taken back."""

    credit_note_id: UUID
    invoice_id: UUID
    origin_key: str | None = None
    issue_date: date
    net_total: Money
    gross_total: Money


class InvoiceRefunded(Event, type="invoice.refunded"):
    """Invoicing: money was paid out again."""

    refund_id: UUID
    invoice_id: UUID | None = None
    origin_key: str | None = None
    refunded_net: Money
    refunded_gross: Money
    refunded_on: date


class ExchangeRateUpdated(Event, type="exchange_rate.updated"):
    """Exchange rates: what one unit of the pair's first currency costs in the second on a day."""

    pair: str
    rate: Decimal = Field(gt=0)
    rate_date: date
    kind: str


class UserActivated(Event, type="user.activated"):
    """Identity: a user account may sign in."""

    user_id: UUID
    email: str


class UserDeactivated(Event, type="user.deactivated"):
    """Identity: a user account may sign in no longer."""

    user_id: UUID


class PayrollRunPaid(Event, type="payroll.run.paid"):
    """Payroll: a run is paid, with the keys of what it settled."""

    payroll_run_id: UUID
    settled_input_keys: tuple[str, ...] = ()
