"""Entities that were merged: who stands for which now (tier1.md, 0, "Merged customers").

A module that refers to another's entity hears of merges and keeps them in a row class of its own, with `merged_id`
(unique) and `survivor_id` (indexed). Merges of merges may arrive in any order, and two at the same moment: they go one by
one, so that neither misses what the other wrote, and whoever asks who stands for an id holds merges off until it is through.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update

from shared.database.entity import Entity
from shared.database.transaction import Transaction

_READ = text("select pg_advisory_xact_lock_shared(hashtext(:table), hashtext(:tenant))")
_WRITE = text("select pg_advisory_xact_lock(hashtext(:table), hashtext(:tenant))")


async def survivor_of(tx: Transaction, aliases: type[Entity], entity_id: UUID) -> UUID:
    """Return the id that stands for another since a merge, else the same; merges wait until this transaction ends."""
    await tx.session.execute(_READ, _of(tx, aliases))
    return await _survivor(tx, aliases, entity_id)


async def merge(tx: Transaction, aliases: type[Entity], merged_id: UUID, survivor_id: UUID) -> UUID:
    """Note that one entity was merged into another and return who stands for both now.

    Told twice, it changes nothing. What refers to `merged_id` is the caller's to change, in this transaction.
    """
    model: Any = aliases
    await tx.session.execute(_WRITE, _of(tx, aliases))
    survivor = await _survivor(tx, aliases, survivor_id)
    made: Any = await tx.ensure(model(merged_id=merged_id, survivor_id=survivor), "merged_id")
    made.survivor_id = survivor
    earlier = update(model).where(model.survivor_id == merged_id)
    await tx.session.execute(earlier.values(survivor_id=survivor, version=model.version + 1, updated_at=tx.now()))
    return survivor


async def _survivor(tx: Transaction, aliases: type[Entity], entity_id: UUID) -> UUID:
    model: Any = aliases
    found = await tx.session.execute(select(model.survivor_id).where(model.merged_id == entity_id))
    return found.scalar_one_or_none() or entity_id


def _of(tx: Transaction, aliases: type[Entity]) -> dict[str, str]:
    return {"table": aliases.__tablename__, "tenant": str(tx.tenant_id)}
