"""What every module does for privacy without a word of its own: it hears of an erasure and answers, and exports."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from shared.database.personal import (
    ErasesMark,
    Person,
    Teller,
    TellsMark,
    blank,
    personal_columns,
    same_person,
    shown,
    tellings,
)
from shared.database.transaction import Transaction
from shared.errors import InvalidInput
from shared.module.http import HttpAnswer, HttpRequest, Route
from shared.wire.envelope import Envelope
from shared.wire.principal import system
from shared.wire.privacy import ErasureRequested, privacy_answer

if TYPE_CHECKING:
    from shared.module import Module

Handler = Callable[[Transaction, Envelope], Any]
EXPORT_PATH = "/privacy/export"
_MOST_IDS = 200
_ERASED = "insert into kit.erased (tenant_id, row_id) select $1, unnest($2::uuid[]) on conflict do nothing"


class Wanted(msgspec.Struct, frozen=True):
    """POST /privacy/export: of whom."""

    tenant: UUID
    ids: tuple[UUID, ...] = ()
    emails: tuple[str, ...] = ()


class Exported(msgspec.Struct, frozen=True):
    """What a module holds of a person, and further ids of theirs."""

    rows: list[dict[str, Any]]
    found: list[UUID]


def eraser(module: "Module", also: Handler | None = None) -> Handler:
    """Return the handler of `privacy.erasure.requested`: it blanks what the module knows of a person, and answers.

    `also` is what the module itself does on that event: the audit log records it like any other.
    """

    async def erase(tx: Transaction, envelope: Envelope) -> None:
        if also is not None:
            await also(tx, envelope)
        event = ErasureRequested.model_validate(dict(envelope.data))
        person = Person(frozenset(event.ids), frozenset(email.lower() for email in event.emails))
        spared: dict[UUID, str] = {}
        for function, _ in module.marked(ErasesMark):
            spared.update(await function(tx, person))
        changed, kept, reasons, found = 0, set(spared), set(spared.values()), set[UUID]()
        async for row, told in tellings(tx, module.slug, _tellers(module), person, lock=True):
            found |= same_person(row, told)
            if row.id in spared:
                continue
            laws = {facts.name: mark.keep for facts, mark in personal_columns(type(row)) if mark.keep}
            stays = [name for name in told if name in laws]
            if stays:
                kept.add(row.id)
            reasons.update(laws[name] for name in stays)
            changed += blank(row, [name for name in told if name not in laws])
        await tx.fetch(_ERASED, tx.tenant_id, list(kept))
        tx.publish(
            privacy_answer(module.slug)(
                privacy_request_id=event.privacy_request_id,
                round=event.round,
                row_count=changed,
                kept_count=len(kept),
                kept_reasons=tuple(sorted(reasons)),
                found_ids=tuple(sorted(found - person.ids))[:_MOST_IDS],
            )
        )

    return erase


def exporter(module: "Module") -> Route:
    """Return the route that shows the supervisor what the module holds of a person: for `mewayz privacy export`."""

    async def export(request: HttpRequest) -> HttpAnswer:
        if request.token.via != "supervisor":  # nobody else can tell that this path exists
            return HttpAnswer(
                404, {"errors": [{"message": "There is nothing here.", "extensions": {"code": "NOT_FOUND"}}]}
            )
        try:
            wanted = msgspec.json.decode(request.body, type=Wanted)
        except msgspec.MsgspecError as error:
            raise InvalidInput(f"The request body is not what {request.path} takes: {error}.") from error
        person = Person(frozenset(wanted.ids), frozenset(email.lower() for email in wanted.emails))
        rows: list[dict[str, Any]] = []
        found: set[UUID] = set()
        left_s = request.token.deadline - time.time()
        async with request.database.transaction(system(wanted.tenant), timeout_s=left_s) as tx:
            async for row, told in tellings(tx, module.slug, _tellers(module), person):
                rows.append(shown(row, told))
                found |= same_person(row, told)
        return HttpAnswer(200, msgspec.to_builtins(Exported(rows, sorted(found))))

    return export


def _tellers(module: "Module") -> Sequence[Teller]:
    return [function for function, _ in module.marked(TellsMark)]
