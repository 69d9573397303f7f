"""Sample rows of any model, made of its facts alone: parents first, with nulls and ties where the model allows them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from shared.database.entity import Entity, FieldFacts, models_of
from shared.database.transaction import Database
from shared.errors import Defect, Refusal
from shared.graph.entity import DASHBOARD
from shared.module import Module
from shared.testing.samples import sample, sample_id
from shared.wire.principal import Principal

Rows = Mapping[type[Entity], Sequence[Entity]]


async def plant_rows(module: Module, database: Database, principal: Principal, count: int = 7) -> Rows:
    """Put up to `count` rows of each of the module's entities into the principal's tenant and return them.

    A row that a rule of the table refuses (a unique key, a check) is left out. Raises Defect for an entity of which no
    row can be made.
    """
    own = await plant_tenant(module, database, principal)
    planter = _Planter(module, database, principal)
    for model in module.entities:
        await planter.plant(model, count)
    if own is not None:
        planter.rows[type(own)].append(own)
    return {model: planter.rows[model] for model in module.entities}


async def plant_tenant(module: Module, database: Database, principal: Principal) -> Entity | None:
    """Make and return the row that a tenant has in the module that keeps tenants; elsewhere do nothing.

    Its id is the tenant's own.
    """
    model = next((model for model in module.entities if model.__name__ == "Tenant"), None)
    if model is None or module.slug != DASHBOARD.partition(".")[0] or principal.tenant is None:
        return None
    row = _Planter(module, database, principal).row(model, principal.tenant.int % 10**6)
    async with database.transaction(principal) as tx:
        tx.stamp(row)
        row.id = principal.tenant
        tx.session.add(row)
    return row


class _Planter:
    def __init__(self, module: Module, database: Database, principal: Principal) -> None:
        self.rows: dict[type[Entity], list[Entity]] = {}
        self._slug = module.slug
        self._database = database
        self._principal = principal
        self._models = {model.__name__: model for model in models_of(module.slug)}

    async def plant(self, model: type[Entity], count: int) -> None:
        if model in self.rows:
            return
        self.rows[model] = []
        for facts in model.__facts__.values():
            if self._is_own(facts) and facts.ref is not None and not facts.nullable:
                await self.plant(self._models[facts.ref.name], count)
        refused: Exception | None = None
        for number in range(count):
            try:
                async with self._database.transaction(self._principal) as tx:
                    row = tx.add(self.row(model, number))
                self.rows[model].append(row)
            except (Refusal, DBAPIError) as error:
                refused = error
        if not self.rows[model]:
            raise Defect(f"No sample row of {model.__name__} is accepted: {refused}") from refused

    def row(self, model: type[Entity], number: int) -> Entity:
        return model(**{name: self._value(facts, number) for name, facts in model.__facts__.items()})

    def _value(self, facts: FieldFacts, number: int) -> Any:
        if self._is_own(facts) and facts.ref is not None:
            parents = self.rows.get(self._models[facts.ref.name], [])
            if parents and (not facts.nullable or number % 3 != 2):
                return parents[number % len(parents)].id
            return None
        if facts.nullable and number % 3 == 2:
            return None
        if facts.type is UUID:
            return sample_id(facts.name, f"{self._principal.tenant}/{number}")
        return sample(facts.adapter, facts.name, number)

    def _is_own(self, facts: FieldFacts) -> bool:
        return facts.ref is not None and facts.ref.module in (None, self._slug)
