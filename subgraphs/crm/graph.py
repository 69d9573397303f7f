"""CRM's types, queries and commands: thin, they call models.py."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from shared.commands.command import command
from shared.database.transaction import Transaction
from shared.errors import Refusal
from shared.graph.entity import card, entity, field_of_row, query
from shared.values import Address, Money, Part
from subgraphs.crm import models
from subgraphs.crm.events import ContactCreated, CustomerCreated, CustomerMerged, DealLine, DealOpened, SalesShare
from subgraphs.crm.models import CustomerKind, CustomerLifecycle, DealStatus, SalesActivityKind


class DuplicateSuspected(Refusal):
    """Another customer has the same tax number or e-mail; `force` registers it all the same (CRM-7)."""

    code = "DUPLICATE_SUSPECTED"

    def __init__(self, ids: list[UUID]) -> None:
        """Name the customers that look the same."""
        listed = ", ".join(str(one) for one in ids)
        super().__init__("This looks like {ids}: use that one, or register again with force.", ids=listed)


class SameCustomer(Refusal):
    """A customer can't be merged with itself."""

    code = "SAME_CUSTOMER"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("Both ids name the same customer: choose two.")


@entity(
    models.Customer,
    filters=("name", "lifecycle", "owner_user_id", "country_code", "email", "created_at"),
    sort=("name", "created_at"),
)
class Customer:
    """A company or person that buys, or may buy."""


@entity(models.Contact, filters=("full_name", "customer_id", "email"), sort=("full_name", "created_at"))
class Contact:
    """A person at a customer."""


@entity(models.Pipeline, filters=("archived", "is_default"), sort=("name", "created_at"))
class Pipeline:
    """The stages a deal goes through."""


@entity(
    models.Deal,
    filters=(
        "title",
        "status",
        "stage",
        "pipeline_id",
        "customer_id",
        "salesperson_id",
        "amount",
        "expected_close_on",
        "closed_at",
    ),
    sort=("created_at", "title", "amount", "expected_close_on", "closed_at"),
)
class Deal:
    """A sale in progress."""

    @field_of_row
    @staticmethod
    def weighted_amount(deal: models.Deal) -> Money | None:
        """The amount times the probability."""
        return deal.amount.percent(Decimal(deal.probability_pct or 0)) if deal.amount else None


@entity(models.SalesActivity, filters=("customer_id", "deal_id", "kind", "due_at"), sort=("due_at", "created_at"))
class SalesActivity:
    """Something a salesperson is to do, or did."""


class StageSummary(Part):
    """One stage of a pipeline in figures, per currency."""

    stage: str
    currency: str
    count: int
    total: Money
    weighted: Money


class CrmDashboard(Part):
    """The pipeline at a glance."""

    by_stage: tuple[StageSummary, ...]
    closing_this_month: int
    rotten: int


@query("crm.deal.read")
async def pipeline_summary(tx: Transaction, pipeline_id: UUID | None = None) -> list[StageSummary]:
    """Return count, sum and weighted sum of the open deals per stage and currency."""
    amount, currency = models.Deal.__table__.c.amount_amount, models.Deal.__table__.c.amount_currency
    weighted = func.sum(amount * func.coalesce(models.Deal.probability_pct, 0) / 100)
    statement = (
        select(models.Deal.stage, currency, func.count(models.Deal.id), func.sum(amount), weighted)
        .where(models.Deal.status == DealStatus.OPEN, currency.is_not(None))
        .group_by(models.Deal.stage, currency)
        .order_by(models.Deal.stage, currency)
    )
    if pipeline_id is not None:
        statement = statement.where(models.Deal.pipeline_id == pipeline_id)
    return [
        StageSummary(
            stage=stage or "",
            currency=code,
            count=count,
            total=Money(total, code).rounded(),
            weighted=Money(sure, code).rounded(),
        )
        for stage, code, count, total, sure in (await tx.session.execute(statement)).all()
    ]


@card("crm.deal.read")
async def crm_card(tx: Transaction) -> CrmDashboard:
    """Pipeline by stage, deals closing this month, rotten deals."""
    today = await tx.today()
    month_end = (today.replace(day=28) + (date.resolution * 4)).replace(day=1)
    is_open = models.Deal.status == DealStatus.OPEN
    closing = select(func.count(models.Deal.id)).where(
        is_open, models.Deal.expected_close_on >= today.replace(day=1), models.Deal.expected_close_on < month_end
    )
    untouched = func.make_interval(0, 0, 0, func.coalesce(models.Pipeline.rotten_after_days, 30))
    rotten = (
        select(func.count(models.Deal.id))
        .join(models.Pipeline, models.Pipeline.id == models.Deal.pipeline_id)
        .where(is_open, models.Deal.updated_at < tx.now() - untouched)
    )
    return CrmDashboard(
        by_stage=tuple(await pipeline_summary(tx)),
        closing_this_month=(await tx.session.execute(closing)).scalar_one(),
        rotten=(await tx.session.execute(rotten)).scalar_one(),
    )


@command("crm.customer.write", queueable="1h")
async def register_customer(
    tx: Transaction,
    name: str,
    kind: CustomerKind = CustomerKind.COMPANY,
    currency: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    tax_number: str | None = None,
    country_code: str | None = None,
    address: Address | None = None,
    force: bool = False,
) -> models.Customer:
    """Register a customer; one that looks like another needs `force`."""
    country = country_code or (address.country if address else None)
    if not force and (alike := await _alike(tx, email, tax_number, country)):
        raise DuplicateSuspected(alike)
    customer = tx.add(
        models.Customer(
            name=name,
            kind=kind,
            email=email,
            phone=phone,
            tax_number=tax_number,
            currency=currency or (await tx.tenant()).base_currency,
            country_code=country,
            billing_address=address,
            owner_user_id=tx.principal.user,
        )
    )
    tx.publish(CustomerCreated.of(customer, address=address))
    return customer


async def _alike(tx: Transaction, email: str | None, tax_number: str | None, country: str | None) -> list[UUID]:
    """Return customers that look the same, whoever looks after them: a second record of one would be no less wrong (CRM-7)."""
    rules = []
    if email:
        rules.append(func.lower(models.Customer.email) == email.lower())
    if tax_number and country:
        rules.append((models.Customer.tax_number == tax_number) & (models.Customer.country_code == country))
    if not rules:
        return []
    alive = models.Customer.lifecycle != CustomerLifecycle.MERGED
    clause = rules[0] if len(rules) == 1 else rules[0] | rules[1]
    rows = await tx.all(select(models.Customer).where(alive, clause).order_by(models.Customer.created_at).limit(10))
    return [row.id for row in rows]


@command("crm.customer.merge")
async def merge_customers(tx: Transaction, survivor_id: UUID, merged_id: UUID) -> models.Customer:
    """Merge one customer into another: deals, contacts and activities follow, others hear of it."""
    if survivor_id == merged_id:
        raise SameCustomer
    survivor = await tx.get(models.Customer, survivor_id)
    merged = await tx.get(models.Customer, merged_id)
    merged.merge_into(survivor)
    for model in (models.Deal, models.Contact, models.SalesActivity, models.OverdueInvoice):
        for row in await tx.all(select(model).where(model.customer_id == merged_id)):
            row.customer_id = survivor_id
    tx.publish(CustomerMerged(survivor_id=survivor_id, merged_id=merged_id))
    return survivor


@command("crm.contact.write", queueable="1h")
async def add_contact(
    tx: Transaction,
    customer_id: UUID,
    full_name: str,
    email: str | None = None,
    phone: str | None = None,
    job_title: str | None = None,
    preferred_locale: str | None = None,
    consent_email: bool = False,
) -> models.Contact:
    """Note a person at a customer."""
    customer = await tx.get(models.Customer, customer_id)
    contact = tx.add(
        models.Contact(
            customer_id=customer.id,
            full_name=full_name,
            email=email,
            phone=phone,
            job_title=job_title,
            preferred_locale=preferred_locale,
            consent_email=consent_email,
        )
    )
    tx.publish(ContactCreated.of(contact))
    return contact


@command("crm.deal.write", queueable="1h")
async def open_deal(
    tx: Transaction,
    customer_id: UUID,
    title: str,
    pipeline_id: UUID | None = None,
    amount: Money | None = None,
    lines: tuple[DealLine, ...] = (),
    expected_close_on: date | None = None,
    salesperson_id: UUID | None = None,
    sales_team: tuple[SalesShare, ...] = (),
    delivery_template: str | None = None,
) -> models.Deal:
    """Begin a sale, in the first stage of its pipeline; the caller is its salesperson unless another is named."""
    customer = await tx.get(models.Customer, customer_id)
    pipeline = await tx.get(models.Pipeline, pipeline_id) if pipeline_id else await default_pipeline(tx)
    first = min(pipeline.stages, key=lambda stage: stage.sequence)
    deal = tx.add(
        models.Deal(
            customer_id=customer.survivor_id or customer.id,
            title=title,
            pipeline_id=pipeline.id,
            stage=first.key,
            probability_pct=first.probability_pct,
            expected_close_on=expected_close_on,
            salesperson_id=salesperson_id or tx.principal.employee,
            sales_team=sales_team,
            delivery_template=delivery_template,
        )
    )
    deal.price(amount, lines)
    tx.publish(DealOpened.of(deal))
    return deal


async def default_pipeline(tx: Transaction) -> models.Pipeline:
    """Return the tenant's default pipeline, made when it is first needed (CRM-6)."""
    found = await tx.first_where(models.Pipeline, models.Pipeline.is_default, ~models.Pipeline.archived)
    return found or tx.add(models.Pipeline(name="Sales 销售", is_default=True))


@command("crm.deal.write")
async def revise_deal(
    tx: Transaction,
    deal_id: UUID,
    title: str | None = None,
    amount: Money | None = None,
    lines: tuple[DealLine, ...] | None = None,
    expected_close_on: date | None = None,
    salesperson_id: UUID | None = None,
) -> models.Deal:
    """Change an open deal; what is left out stays as it is."""
    deal = await tx.get(models.Deal, deal_id)
    deal.revise(title, expected_close_on, salesperson_id)
    if amount is not None or lines is not None:
        deal.price(amount, deal.lines if lines is None else lines)
    return deal


@command("crm.deal.write")
async def move_deal_to_stage(tx: Transaction, deal_id: UUID, stage: str) -> models.Deal:
    """Move an open deal to another stage of its pipeline."""
    deal = await tx.get(models.Deal, deal_id)
    pipeline = await tx.follow(models.Pipeline, deal.pipeline_id) if deal.pipeline_id else await default_pipeline(tx)
    tx.publish(deal.move(pipeline.stage(stage)))
    return deal


@command("crm.deal.close", queueable="1h")
async def close_deal_won(tx: Transaction, deal_id: UUID, closed_on: date | None = None) -> models.Deal:
    """Win a deal. Invoicing drafts the invoice and HR the commission when they hear of it; CRM knows neither."""
    deal = await tx.get(models.Deal, deal_id)
    customer = await tx.follow(models.Customer, deal.customer_id)
    tx.publish(deal.win(customer, closed_on or await tx.today(), tx.now()))
    if updated := customer.activate():
        tx.publish(updated)
    return deal


@command("crm.deal.close")
async def close_deal_lost(tx: Transaction, deal_id: UUID, reason: str, competitor: str | None = None) -> models.Deal:
    """Give a deal up."""
    deal = await tx.get(models.Deal, deal_id)
    tx.publish(deal.lose(reason, competitor, tx.now()))
    return deal


@command("crm.deal.reopen")
async def reopen_deal(tx: Transaction, deal_id: UUID, reason: str) -> models.Deal:
    """Open a closed deal again; what its closing caused elsewhere is undone there."""
    deal = await tx.get(models.Deal, deal_id)
    tx.publish(deal.reopen(reason))
    return deal


@command("crm.activity.write", queueable="1h")
async def schedule_activity(
    tx: Transaction,
    customer_id: UUID,
    summary: str,
    kind: SalesActivityKind = SalesActivityKind.TODO,
    deal_id: UUID | None = None,
    due_at: datetime | None = None,
    assignee_user_id: UUID | None = None,
) -> models.SalesActivity:
    """Plan a call, a meeting, a mail or a task, for a customer and, if wanted, a deal that the caller may see."""
    customer = await tx.get(models.Customer, customer_id)
    deal = await tx.get(models.Deal, deal_id) if deal_id else None
    return tx.add(
        models.SalesActivity(
            customer_id=customer.id,
            deal_id=deal.id if deal else None,
            summary=summary,
            kind=kind,
            due_at=due_at,
            assignee_user_id=assignee_user_id or tx.principal.user,
        )
    )


@command("crm.activity.write")
async def complete_activity(tx: Transaction, activity_id: UUID, outcome: str) -> models.SalesActivity:
    """Note what came of an activity."""
    activity = await tx.get(models.SalesActivity, activity_id)
    activity.complete(outcome, tx.now())
    return activity
