"""Numbers without gaps (INV-1, INV-10)."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.database.transaction import Transaction
from shared.errors import Invalid, Refusal


class NumberSeriesDocumentKind(StrEnum):
    """What is numbered."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


_PREFIXES = {NumberSeriesDocumentKind.INVOICE: "INV", NumberSeriesDocumentKind.CREDIT_NOTE: "CN"}


class DateBeforeLast(Refusal):
    """Numbers follow dates: nothing is issued before the last one of its series (INV-10)."""

    code = "DATE_BEFORE_LAST"

    def __init__(self, wanted: date, last: date) -> None:
        """Name both dates."""
        super().__init__(
            "The last document was issued on {last}: {wanted} is too early, choose {last} or later.",
            last=last,
            wanted=wanted,
        )


class NumberSeries(Entity):
    """The numbers of one kind of document in one fiscal year: without gaps, in the order of dates."""

    __unique__ = (("document_kind", "fiscal_year"),)

    prefix: Mapped[Annotated[str, Field(min_length=1, max_length=20)]]
    document_kind: Mapped[NumberSeriesDocumentKind]
    fiscal_year: Mapped[int]
    next_number: Mapped[Annotated[int, Field(ge=1)]] = default(1)
    padding: Mapped[Annotated[int, Field(ge=1, le=12)]] = default(5)
    last_issued_on: Mapped[date | None] = default(None)

    def take(self, on: date) -> str:
        """Return the next number and use it up; a rolled-back transaction gives it back. INV-1, INV-10.

        The row must be locked by the caller's transaction. Raises DateBeforeLast.
        """
        if self.last_issued_on is not None and on < self.last_issued_on:
            raise DateBeforeLast(on, self.last_issued_on)
        number = f"{self.prefix}{self.next_number:0{self.padding}d}"
        self.next_number, self.last_issued_on = self.next_number + 1, on
        return number

    def start_at(self, prefix: str, next_number: int, padding: int) -> None:
        """Continue another system's numbers. Raises Invalid once this series has numbered a document."""
        if self.last_issued_on is not None:
            raise Invalid(
                "The series {prefix} of {fiscal_year} is in use already.",
                "fiscalYear",
                prefix=self.prefix,
                fiscal_year=self.fiscal_year,
            )
        self.prefix, self.next_number, self.padding = prefix, next_number, padding


async def lock_series(tx: Transaction, kind: NumberSeriesDocumentKind, fiscal_year: int) -> NumberSeries:
    """Return a series, made when it is first needed, locked until the end: issuing is one at a time (INV-1)."""
    first = NumberSeries(prefix=f"{_PREFIXES[kind]}-{fiscal_year}-", document_kind=kind, fiscal_year=fiscal_year)
    return await tx.ensure(first, "document_kind", "fiscal_year")
