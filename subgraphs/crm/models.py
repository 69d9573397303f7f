"""Customers, contacts, pipelines, deals and activities, with their rules (tier1.md, 1)."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid, Refusal
from shared.language import Phrase
from shared.values import Address, Money, Part, Personal, Ref, Searchable
from subgraphs.crm.events import (
    CustomerUpdated,
    DealCloseLost,
    DealCloseWon,
    DealLine,
    DealReopened,
    DealStageChanged,
    SalesShare,
)


class CustomerKind(StrEnum):
    """A firm or a person."""

    COMPANY = "COMPANY"
    PERSON = "PERSON"


class CustomerLifecycle(StrEnum):
    """How far a customer has come."""

    PROSPECT = "PROSPECT"
    ACTIVE = "ACTIVE"
    DORMANT = "DORMANT"
    MERGED = "MERGED"


class DealStatus(StrEnum):
    """Whether a sale is still going on, and how it ended."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


class SalesActivityKind(StrEnum):
    """What a salesperson does next."""

    CALL = "CALL"
    MEETING = "MEETING"
    EMAIL = "EMAIL"
    TODO = "TODO"


class DealClosed(Refusal):
    """A closed deal is read-only until it is reopened (CRM-2)."""

    code = "DEAL_CLOSED"

    def __init__(self, title: str, status: DealStatus) -> None:
        """Name the deal and how it ended."""
        super().__init__(
            "The deal {title!r} is already {state}: reopen it first.",
            status=status,
            title=title,
            state=Phrase(status.lower()),
        )


class AmountRequired(Refusal):
    """A deal is won for an amount above zero."""

    code = "AMOUNT_REQUIRED"

    def __init__(self, title: str) -> None:
        """Name the deal."""
        super().__init__(
            "The deal {title!r} has no amount above zero: enter one, or its lines, before you win it.", title=title
        )


class NotClosed(Refusal):
    """Only a closed deal can be reopened."""

    code = "NOT_CLOSED"

    def __init__(self, title: str) -> None:
        """Name the deal."""
        super().__init__("The deal {title!r} is open: there is nothing to reopen.", title=title)


class StageNotInPipeline(Refusal):
    """The stage belongs to no stage list of the deal's pipeline (CRM-1)."""

    code = "STAGE_NOT_IN_PIPELINE"

    def __init__(self, stage: str, pipeline: str, known: list[str]) -> None:
        """Name the stage, the pipeline and what would do."""
        super().__init__(
            "The pipeline {pipeline!r} has no stage {stage!r}: choose one of {known}.",
            pipeline=pipeline,
            stage=stage,
            known=", ".join(known),
        )


class AlreadyMerged(Refusal):
    """A merged customer is final (CRM-5)."""

    code = "ALREADY_MERGED"

    def __init__(self, name: str) -> None:
        """Name the customer."""
        super().__init__("{name!r} was merged into another customer already.", name=name)


class StageDefinition(Part):
    """One stage of a pipeline, with the probability a deal has there."""

    key: str
    name: str
    probability_pct: int = Field(ge=0, le=100)
    sequence: int


FIRST_STAGES = (
    StageDefinition(key="new", name="New 新建", probability_pct=10, sequence=1),
    StageDefinition(key="qualified", name="Qualified 已确认", probability_pct=30, sequence=2),
    StageDefinition(key="proposal", name="Proposal 方案", probability_pct=60, sequence=3),
    StageDefinition(key="closing", name="Closing 签约", probability_pct=80, sequence=4),
)


class Customer(Entity):
    """A company or person that buys, or may buy."""

    __owner__ = "owner_user_id"
    __indexes__ = (("name",), ("created_at",))

    name: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable(), Personal()]]
    kind: Mapped[CustomerKind] = default(CustomerKind.COMPANY)
    email: Mapped[Annotated[str | None, Field(max_length=320), Personal("id", "email")]] = default(None)
    phone: Mapped[Annotated[str | None, Field(max_length=40), Personal()]] = default(None)
    tax_number: Mapped[Annotated[str | None, Field(max_length=40), Personal()]] = default(None)
    currency: Mapped[Annotated[str | None, Field(pattern="^[A-Z]{3}$")]] = default(None)
    country_code: Mapped[Annotated[str | None, Field(pattern="^[A-Z]{2}$")]] = default(None)
    billing_address: Mapped[Annotated[Address | None, Personal()]] = default(None)
    owner_user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)
    lifecycle: Mapped[CustomerLifecycle] = default(CustomerLifecycle.PROSPECT)
    survivor_id: Mapped[Annotated[UUID | None, Ref("Customer", reverse="")]] = default(None)
    credit_flag: Mapped[bool] = default(False)

    def activate(self) -> CustomerUpdated | None:
        """Become ACTIVE with the first won deal; None where nothing changes."""
        if self.lifecycle not in (CustomerLifecycle.PROSPECT, CustomerLifecycle.DORMANT):
            return None
        self.lifecycle = CustomerLifecycle.ACTIVE
        return self.updated()

    def updated(self) -> CustomerUpdated:
        """Return the fact that what others keep of the customer changed."""
        return CustomerUpdated.of(self, address=self.billing_address)

    def merge_into(self, survivor: "Customer") -> None:
        """Hand everything over to `survivor`, for ever (CRM-5). Raises AlreadyMerged."""
        for customer in (self, survivor):
            if customer.lifecycle is CustomerLifecycle.MERGED:
                raise AlreadyMerged(customer.name)
        self.lifecycle, self.survivor_id = CustomerLifecycle.MERGED, survivor.id


_CONTACT = Personal("id", "email")


class Contact(Entity):
    """A person at a customer."""

    full_name: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable(), _CONTACT]]
    customer_id: Mapped[Annotated[UUID, Ref("Customer")]]
    email: Mapped[Annotated[str | None, Field(max_length=320), _CONTACT]] = default(None)
    phone: Mapped[Annotated[str | None, Field(max_length=40), _CONTACT]] = default(None)
    job_title: Mapped[Annotated[str | None, Field(max_length=100), _CONTACT]] = default(None)
    preferred_locale: Mapped[str | None] = default(None)
    consent_email: Mapped[bool] = default(False)


class Pipeline(Entity):
    """The stages a deal goes through. Exactly one of a tenant's is the default (CRM-6)."""

    name: Mapped[Annotated[str, Field(min_length=1, max_length=100)]]
    is_default: Mapped[bool] = default(False)
    rotten_after_days: Mapped[int | None] = default(30)
    archived: Mapped[bool] = default(False)
    stages: Mapped[tuple[StageDefinition, ...]] = default(FIRST_STAGES)

    def stage(self, key: str) -> StageDefinition:
        """Return a stage by its key. Raises StageNotInPipeline."""
        for stage in self.stages:
            if stage.key == key:
                return stage
        raise StageNotInPipeline(key, self.name, [stage.key for stage in self.stages])


class Deal(Entity):
    """A sale in progress."""

    __owner__ = "salesperson_id"
    __indexes__ = (("status", "created_at"), ("expected_close_on",))

    title: Mapped[Annotated[str, Field(min_length=1, max_length=200), Searchable()]]
    customer_id: Mapped[Annotated[UUID, Ref("Customer")]]
    pipeline_id: Mapped[Annotated[UUID | None, Ref("Pipeline")]] = default(None)
    stage: Mapped[str | None] = default(None)
    status: Mapped[DealStatus] = default(DealStatus.OPEN)
    amount: Mapped[Money | None] = default(None)
    margin_amount: Mapped[Money | None] = default(None)
    probability_pct: Mapped[Annotated[int | None, Field(ge=0, le=100)]] = default(None)
    expected_close_on: Mapped[date | None] = default(None)
    closed_at: Mapped[datetime | None] = default(None)
    closing_no: Mapped[int] = default(0)
    salesperson_id: Mapped[Annotated[UUID | None, Ref("hr.Employee")]] = default(None)
    sales_team: Mapped[tuple[SalesShare, ...]] = default(())
    lines: Mapped[tuple[DealLine, ...]] = default(())
    lost_reason: Mapped[str | None] = default(None)
    reopen_reason: Mapped[str | None] = default(None)
    delivery_template: Mapped[str | None] = default(None)
    contract_template: Mapped[str | None] = default(None)

    def price(self, amount: Money | None, lines: tuple[DealLine, ...]) -> None:
        """Set lines, and the amount: of a deal with lines it is the sum of their rounded nets (CRM-4).

        Raises CurrencyMismatch for lines in two currencies, Invalid for an amount that contradicts the lines.
        """
        self._must_be_open()
        self.lines, self.amount = lines, amount
        if lines:
            total = Money.total((line.net for line in lines), lines[0].unit_price.currency)
            if amount is not None and amount != total:
                raise Invalid(
                    "The lines add up to {total}: leave the amount out, or change the lines.", "amount", total=total
                )
            self.amount = total

    def revise(self, title: str | None, expected_close_on: date | None, salesperson_id: UUID | None) -> None:
        """Change what is given and leave the rest (CRM-2). Raises DealClosed."""
        self._must_be_open()
        self.title = title or self.title
        self.expected_close_on = expected_close_on or self.expected_close_on
        self.salesperson_id = salesperson_id or self.salesperson_id

    def move(self, stage: StageDefinition) -> DealStageChanged:
        """Put the deal into a stage of its pipeline; the probability follows (CRM-1). Raises DealClosed."""
        self._must_be_open()
        before, self.stage, self.probability_pct = self.stage, stage.key, stage.probability_pct
        return DealStageChanged.of(self, from_stage=before, to_stage=stage.key)

    def win(self, customer: Customer, on: date, at: datetime) -> DealCloseWon:
        """Close the deal as won and return the fact. CRM-1, CRM-2, CRM-3. Raises DealClosed, AmountRequired."""
        self._must_be_open()
        if self.amount is None or self.amount.amount <= 0:
            raise AmountRequired(self.title)
        self._close(DealStatus.WON, at, probability=100)
        return DealCloseWon.of(
            self,
            closed_on=on,
            customer_name=customer.name,
            customer_tax_number=customer.tax_number,
            customer_country=customer.country_code,
            billing_address=customer.billing_address,
        )

    def lose(self, reason: str, competitor: str | None, at: datetime) -> DealCloseLost:
        """Close the deal as lost and return the fact. CRM-1, CRM-2, CRM-3. Raises DealClosed."""
        self._must_be_open()
        self._close(DealStatus.LOST, at, probability=0)
        self.lost_reason = reason
        return DealCloseLost.of(self, reason=reason, competitor=competitor)

    def reopen(self, reason: str) -> DealReopened:
        """Open a closed deal again and return the fact, with the closing it undoes (CRM-3). Raises NotClosed."""
        if self.status is DealStatus.OPEN:
            raise NotClosed(self.title)
        previous, self.status, self.closed_at, self.reopen_reason = self.status, DealStatus.OPEN, None, reason
        return DealReopened.of(self, previous_status=previous, reason=reason)

    def _must_be_open(self) -> None:
        if self.status is not DealStatus.OPEN:
            raise DealClosed(self.title, self.status)

    def _close(self, status: DealStatus, at: datetime, *, probability: int) -> None:
        self.status, self.closed_at, self.probability_pct = status, at, probability
        self.closing_no += 1


class SalesActivity(Entity):
    """Something a salesperson is to do, or did."""

    __owner__ = "assignee_user_id"

    summary: Mapped[Annotated[str, Field(min_length=1, max_length=500), Personal("customer_id")]]
    customer_id: Mapped[Annotated[UUID, Ref("Customer")]]
    deal_id: Mapped[Annotated[UUID | None, Ref("Deal")]] = default(None)
    kind: Mapped[SalesActivityKind] = default(SalesActivityKind.TODO)
    due_at: Mapped[datetime | None] = default(None)
    done_at: Mapped[datetime | None] = default(None)
    outcome: Mapped[Annotated[str | None, Field(max_length=2000), Personal("customer_id")]] = default(None)
    assignee_user_id: Mapped[Annotated[UUID | None, Ref("identity.UserAccount")]] = default(None)

    def complete(self, outcome: str, at: datetime) -> None:
        """Note the outcome. Raises IllegalState where it is done already."""
        if self.done_at is not None:
            raise IllegalState("The activity {summary!r} is done already.", summary=self.summary)
        self.done_at, self.outcome = at, outcome


class OverdueInvoice(Entity):
    """CRM's own copy of which invoices a customer is late with: the credit flag stands while there is one."""

    __unique__ = (("invoice_id",),)

    customer_id: Mapped[Annotated[UUID, Ref("Customer", reverse="")]]
    invoice_id: Mapped[UUID]
