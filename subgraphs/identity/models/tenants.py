"""Tenants and their life (tier1.md, 13, "States").

A tenant's own row lies in itself. The tenant it was made by keeps a copy, which names it as parent: that is all a parent
sees of a child, and a child sees nothing of its parent (IDN-8).
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid, Refusal
from shared.language import Phrase
from shared.values import Ref, TimeZone
from subgraphs.identity.events import AllowedOriginsChanged, TenantClosed, TenantReactivated, TenantSuspended
from subgraphs.identity.models.keys import origins

EXPORT_TIME = timedelta(days=30)
GRACE_DAYS = 30
FREE_SEATS = 3
MOST_ORIGINS = 20


class TenantStatus(StrEnum):
    """Where a tenant is in its life."""

    PROVISIONING = "PROVISIONING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


class TenantMfaPolicy(StrEnum):
    """Who can only sign in with a second factor (IDN-5): nobody must, owners and approvers of money, or all."""

    OPTIONAL = "OPTIONAL"
    PRIVILEGED = "PRIVILEGED"
    EVERYONE = "EVERYONE"


class SlugTaken(Refusal):
    """Another tenant has the slug; slugs are the platform's, not a tenant's."""

    code = "SLUG_TAKEN"
    field = ("slugName",)

    def __init__(self, slug: str) -> None:
        """Name the slug."""
        super().__init__("The short name {slug!r} is taken: choose another one.", slug=slug)


class SeatLimit(Refusal):
    """The plan has no seat left."""

    code = "SEAT_LIMIT"

    def __init__(self, seats: int) -> None:
        """Name the number of seats."""
        super().__init__("All {seats} seats of the plan are taken: add seats, or deactivate someone.", seats=seats)


class Tenant(Entity):
    """A company that works on the platform."""

    __table_args__ = (Index("uq_tenant_slug_name", "slug_name", unique=True, postgresql_where=text("tenant_id = id")),)

    name: Mapped[Annotated[str, Field(min_length=1, max_length=200)]]
    slug_name: Mapped[Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]]
    plan: Mapped[Annotated[str, Field(max_length=40)]] = default("FREE")
    status: Mapped[TenantStatus] = default(TenantStatus.PROVISIONING)
    region: Mapped[Annotated[str | None, Field(max_length=40)]] = default(None)
    default_locale: Mapped[Annotated[str, Field(max_length=35)]] = default("en")
    timezone: Mapped[TimeZone] = default("UTC")
    base_currency: Mapped[Annotated[str, Field(pattern="^[A-Z]{3}$")]] = default("CNY")
    parent_tenant_id: Mapped[Annotated[UUID | None, Ref("Tenant", reverse="children")]] = default(None)
    is_operator: Mapped[bool] = default(False)  # the platform's own tenant: it alone makes and closes tenants
    seats: Mapped[int | None] = default(FREE_SEATS)  # None: without limit
    invites_employees: Mapped[bool] = default(False)  # HR and access are linked: who is hired is invited
    suspended_for_debt: Mapped[bool] = default(False)
    delete_after: Mapped[date | None] = default(None)
    mfa_policy: Mapped[TenantMfaPolicy] = default(TenantMfaPolicy.OPTIONAL)
    allowed_origins: Mapped[tuple[str, ...]] = default(
        ()
    )  # pages that may call from a browser: https://app.example.com

    def suspend(self, reason: str, *, for_debt: bool = False) -> TenantSuspended:
        """Stop all but owners' sign-in (IDN-7) and return the fact. Raises IllegalState unless active."""
        self._must_be(TenantStatus.ACTIVE)
        self.status, self.suspended_for_debt = TenantStatus.SUSPENDED, for_debt
        return TenantSuspended(tenant_id=self.id, reason=reason)

    def reactivate(self) -> TenantReactivated:
        """Let a suspended tenant work again and return the fact. Raises IllegalState unless suspended."""
        self._must_be(TenantStatus.SUSPENDED)
        self.status, self.suspended_for_debt = TenantStatus.ACTIVE, False
        return TenantReactivated(tenant_id=self.id)

    def close(self, at: datetime) -> TenantClosed:
        """Close the tenant for good; 30 days to export remain (IDN-7). Raises IllegalState unless active or suspended."""
        self._must_be(TenantStatus.ACTIVE, TenantStatus.SUSPENDED)
        last_day = (at + EXPORT_TIME).date()
        self.status, self.delete_after = TenantStatus.CLOSED, last_day
        return TenantClosed(tenant_id=self.id, closed_at=at, delete_after=last_day)

    def allow_origins(self, pages: Iterable[str]) -> AllowedOriginsChanged:
        """Let these pages call the API from a browser, and no others, and return the fact. Raises Invalid."""
        found = origins(pages, "origins")
        if len(found) > MOST_ORIGINS:
            raise Invalid("At most {most} pages can be named.", "origins", most=MOST_ORIGINS)
        self.allowed_origins = found
        return AllowedOriginsChanged(tenant_id=self.id, origins=found)

    def ask_privileged_for_mfa(self) -> None:
        """Ask owners and approvers for a second factor where the plan is a paid one (IDN-5)."""
        if self.plan != "FREE" and self.mfa_policy is TenantMfaPolicy.OPTIONAL:
            self.mfa_policy = TenantMfaPolicy.PRIVILEGED

    def must_have_seat(self, taken: int) -> None:
        """Raise SeatLimit where `taken` seats are all there are."""
        if self.seats is not None and taken >= self.seats:
            raise SeatLimit(self.seats)

    def _must_be(self, *allowed: TenantStatus) -> None:
        if self.status not in allowed:
            wanted = " / ".join(allowed)
            raise IllegalState(
                "The tenant {slug_name} is {status}: it must be {wanted}.",
                slug_name=self.slug_name,
                status=Phrase(self.status.lower()),
                wanted=wanted,
            )
