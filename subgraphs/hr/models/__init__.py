"""HR's rows and their rules (tier1.md, 4)."""

from subgraphs.hr.models.commission import (
    CommissionEntry,
    CommissionEntryKind,
    CommissionEntryStatus,
    rate_period,
)
from subgraphs.hr.models.facts import (
    CommissionExpectation,
    CreditFact,
    DayRate,
    DealClosing,
    InvoiceFact,
    PaymentFact,
    UserLogin,
    WonDeal,
    rate_on,
    shares_of,
)
from subgraphs.hr.models.plan import (
    CommissionPlan,
    CommissionPlanBasis,
    CommissionPlanPeriodKind,
    CommissionPlanTrigger,
    CommissionTier,
    PlanAssignment,
)
from subgraphs.hr.models.reckoning import closings_of, expect, rate, reckon
from subgraphs.hr.models.staff import Department, Employee, EmployeeStatus

__all__ = [
    "CommissionEntry",
    "CommissionEntryKind",
    "CommissionEntryStatus",
    "CommissionExpectation",
    "CommissionPlan",
    "CommissionPlanBasis",
    "CommissionPlanPeriodKind",
    "CommissionPlanTrigger",
    "CommissionTier",
    "CreditFact",
    "DayRate",
    "DealClosing",
    "Department",
    "Employee",
    "EmployeeStatus",
    "InvoiceFact",
    "PaymentFact",
    "PlanAssignment",
    "UserLogin",
    "WonDeal",
    "closings_of",
    "expect",
    "rate",
    "rate_on",
    "rate_period",
    "reckon",
    "shares_of",
]
