"""Every module answers an erasure; when all have, it is done."""

from sqlalchemy import select

from shared.database.transaction import Transaction
from shared.events.handler import on
from shared.wire.envelope import Envelope
from shared.wire.privacy import PrivacyAnswer
from subgraphs.privacy.models import ErasureReceipt, PrivacyRequest, PrivacyRequestStatus


@on("*.privacy.answered")
async def record_answer(tx: Transaction, envelope: Envelope) -> None:
    """Record what a module answered, ask again where it found more ids of the person, and end with the last answer."""
    if envelope.type.count(".") != 2:
        return
    answer = PrivacyAnswer.model_validate(dict(envelope.data))
    request = await tx.first_where(PrivacyRequest, PrivacyRequest.id == answer.privacy_request_id, lock=True)
    if request is None or request.status is not PrivacyRequestStatus.RUNNING:
        return
    slug = envelope.type.partition(".")[0]  # who may publish that type is that module (NATS)
    theirs = (ErasureReceipt.privacy_request_id == request.id, ErasureReceipt.module_slug == slug)
    receipt = await tx.first_where(ErasureReceipt, *theirs, lock=True)
    if receipt is None:
        receipt = tx.add(ErasureReceipt(module_slug=slug, privacy_request_id=request.id))
    if answer.round <= receipt.round:
        return
    receipt.record(answer, tx.now())
    if asked := request.widen(answer.found_ids):
        tx.publish(asked)
        return
    await tx.session.flush()
    waiting = select(ErasureReceipt).where(
        ErasureReceipt.privacy_request_id == request.id, ErasureReceipt.round < request.round
    )
    if await tx.find(waiting.limit(1)) is None:
        tx.publish(request.finish(tx.now()))
