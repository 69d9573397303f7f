"""Requests of persons, and the modules' receipts (catalogue, `privacy`)."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState
from shared.language import Phrase
from shared.values import Personal, Ref
from shared.wire.privacy import PrivacyAnswer
from subgraphs.privacy.events import PrivacyAccessReady, PrivacyErasureExecuted, PrivacyErasureRequested

_DUE = timedelta(days=30)  # GDPR, article 12 (3): one month
MOST_ROUNDS = 8
_PROOF = "That a request was made and answered is kept, to prove it."


class PrivacyRequestKind(StrEnum):
    """What a person asks for."""

    ACCESS = "ACCESS"
    ERASURE = "ERASURE"
    CORRECTION = "CORRECTION"
    PORTABILITY = "PORTABILITY"


class PrivacyRequestStatus(StrEnum):
    """How far a request has come."""

    RECEIVED = "RECEIVED"
    VERIFIED = "VERIFIED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    REFUSED = "REFUSED"


class PrivacyRequest(Entity):
    """A person asks to see, or to erase, what the company holds of them."""

    __unique__ = (("reference",),)
    __indexes__ = (("status", "due_on"),)

    reference: Mapped[Annotated[str, Field(min_length=1, max_length=40)]]
    kind: Mapped[PrivacyRequestKind]
    subject_email: Mapped[
        Annotated[
            str,
            AfterValidator(str.lower),
            Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"),
            Personal("subject_email", keep=_PROOF),
        ]
    ]
    status: Mapped[PrivacyRequestStatus] = default(PrivacyRequestStatus.RECEIVED)
    subject_ids: Mapped[tuple[UUID, ...]] = default(())
    round: Mapped[int] = default(0)
    due_on: Mapped[date | None] = default(None)
    received_at: Mapped[datetime | None] = default(None)
    executed_at: Mapped[datetime | None] = default(None)
    refusal: Mapped[Annotated[str | None, Field(max_length=500)]] = default(None)

    def receive(self, at: datetime) -> None:
        """Note when it came, and by when it is to be answered: within a month."""
        self.received_at, self.due_on = at, (at + _DUE).date()

    def verify(self, subject_ids: Iterable[UUID]) -> None:
        """Note that the person is who they say, and under which ids they are known. Raises IllegalState."""
        self._must_be(PrivacyRequestStatus.RECEIVED, PrivacyRequestStatus.VERIFIED)
        self.subject_ids = tuple(dict.fromkeys((*self.subject_ids, *subject_ids)))
        self.status = PrivacyRequestStatus.VERIFIED

    def refuse(self, reason: str) -> None:
        """Turn the request down. Raises IllegalState."""
        self._must_be(PrivacyRequestStatus.RECEIVED, PrivacyRequestStatus.VERIFIED)
        self.status, self.refusal = PrivacyRequestStatus.REFUSED, reason

    def run(self) -> PrivacyErasureRequested:
        """Begin to erase and return what every module is to do. Raises IllegalState unless an erasure is verified."""
        self._must_be(PrivacyRequestStatus.VERIFIED)
        if self.kind is not PrivacyRequestKind.ERASURE:
            raise IllegalState("The request {reference} is not one to erase.", reference=self.reference)
        self.status, self.round = PrivacyRequestStatus.RUNNING, 1
        return self._asked()

    def widen(self, found: Iterable[UUID]) -> PrivacyErasureRequested | None:
        """Begin another round where modules have found further ids of the person; None where there is nothing new."""
        new = [one for one in found if one not in self.subject_ids]
        if not new or self.round >= MOST_ROUNDS:
            return None
        self.subject_ids, self.round = (*self.subject_ids, *new), self.round + 1
        return self._asked()

    def finish(self, at: datetime) -> PrivacyErasureExecuted:
        """Note that every module has answered, forget the address, and return the fact."""
        self.status, self.executed_at = PrivacyRequestStatus.DONE, at
        self.subject_email = f"erased-{self.id.hex[-12:]}@erased.invalid"
        return PrivacyErasureExecuted.of(self, subject_keys=self.subject_ids)

    def hand_over(self, at: datetime, modules: int) -> PrivacyAccessReady:
        """Note that the person's data was handed over, and return the fact."""
        self.status, self.executed_at = PrivacyRequestStatus.DONE, at
        return PrivacyAccessReady.of(self, module_count=modules)

    def _asked(self) -> PrivacyErasureRequested:
        return PrivacyErasureRequested.of(self, ids=self.subject_ids, emails=(self.subject_email,))

    def _must_be(self, *statuses: PrivacyRequestStatus) -> None:
        if self.status not in statuses:
            raise IllegalState(
                "The request {reference} is {status} already.",
                reference=self.reference,
                status=Phrase(self.status.lower()),
            )


class ErasureReceipt(Entity):
    """What one module answered to a request; as long as `reportedAt` is null, or its round is old, it is awaited."""

    __unique__ = (("privacy_request_id", "module_slug"),)

    module_slug: Mapped[Annotated[str, Field(max_length=60)]]
    privacy_request_id: Mapped[Annotated[UUID, Ref("PrivacyRequest")]]
    round: Mapped[int] = default(0)
    row_count: Mapped[int] = default(0)
    kept_count: Mapped[int] = default(0)
    kept_reason: Mapped[Annotated[str | None, Field(max_length=1000)]] = default(None)
    reported_at: Mapped[datetime | None] = default(None)

    def record(self, answer: PrivacyAnswer, at: datetime) -> None:
        """Take an answer in: rows of all rounds count together, what is kept is the last round's."""
        self.round, self.reported_at = answer.round, at
        self.row_count += answer.row_count
        self.kept_count = answer.kept_count
        self.kept_reason = " ".join(answer.kept_reasons)[:1000] or None
