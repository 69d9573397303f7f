"""The module under test: running, with sample rows in one tenant and none in another."""

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import graphql
from graphql import GraphQLField, GraphQLNamedType, GraphQLObjectType, GraphQLSchema
from pydantic import TypeAdapter
from sqlalchemy import select, text

from shared.database.entity import Entity, models_of, snake
from shared.errors import Defect
from shared.graph.names import camel, plural
from shared.testing.rows import Rows, plant_rows, plant_tenant
from shared.testing.running import Answer, Running
from shared.testing.samples import sample, sample_id
from shared.values import outside_name
from shared.wire.principal import Principal

_WAIT_S = 45.0


@dataclass(frozen=True)
class Subject:
    """A running module; `ada`'s tenant has `rows`, `bob`'s has none (of the module that keeps tenants, its own)."""

    running: Running
    ada: Principal
    bob: Principal
    rows: Rows
    schema: GraphQLSchema

    @classmethod
    async def of(cls, running: Running) -> "Subject":
        """Make the tenants and the rows."""
        ada, bob = await running.new_tenant(), await running.new_tenant()
        await _heard_all(running, ada)
        await plant_tenant(running.module, running.database, bob)
        schema = graphql.build_schema(running.module.sdl(), assume_valid=True)
        rows = await _with_own(running, await plant_rows(running.module, running.database, ada), ada)
        return cls(running, ada, bob, rows, schema)

    def lists(self) -> list[tuple[type[Entity], str, str]]:
        """Return each entity with root fields: the model, the field for one row, and the one for many."""
        marks = ((model, mark) for model, (_, mark) in self.running.module.entities.items())
        return [(model, camel(mark.root), camel(plural(mark.root))) for model, mark in marks if mark.root]

    async def ask(self, principal: Principal, query: str, **variables: Any) -> Any:
        """Return the data of an operation. Raises AssertionError for GraphQL errors."""
        answer = await self.running.execute(principal, query, **variables)
        assert not answer.errors, f"{query} with {variables}: {answer.errors}"
        return answer.data

    async def call(self, principal: Principal, function: Any, arguments: Mapping[str, Any], **more: Any) -> Answer:
        """Call a command with arguments as JSON, and `idempotencyKey` or `expectedVersion`."""
        name = camel(function.__name__)
        kind = name[0].upper() + name[1:]
        field = self.schema.mutation_type.fields[name] if self.schema.mutation_type else None
        assert field is not None, f"the schema has no mutation {name}"
        selected = self.selection(field, 1)
        operation = f"mutation($input: {kind}Input!) {{ {name}(input: $input) {selected} }}"
        return await self.running.execute(principal, operation, input={**arguments, **more})

    def arguments(self, function: Any) -> dict[str, Any]:
        """Return valid arguments of a command or query as JSON: ids of sample rows, samples for what else is required."""
        hints = get_type_hints(function, include_extras=True)
        parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "tx"]
        model = self.result(function)
        return {
            outside_name(one.name): self._argument(one.name, hints[one.name], model)
            for one in parameters
            if one.default is inspect.Parameter.empty
        }

    def result(self, function: Any) -> type[Entity] | None:
        """Return the entity that a command or query returns, None where it returns something else."""
        hint = get_type_hints(function)["return"]
        kind = get_args(hint)[0] if get_origin(hint) is not None else hint
        return kind if isinstance(kind, type) and issubclass(kind, Entity) else None

    def named(self, name: str, result: type[Entity] | None) -> type[Entity] | None:
        """Return the entity whose row an argument such as `deal_id` names; None where the name tells nothing."""
        stem = name.removesuffix("_ids").removesuffix("_id")
        exact = [model for model in self.rows if snake(model.__name__) == stem]
        ending = [model for model in self.rows if snake(model.__name__).endswith(f"_{stem}")]
        found = [*exact, *ending]
        return result if result in found else found[0] if found else None

    def row_argument(self, function: Any) -> str | None:
        """Return the required argument that names the row a command changes and returns, None where there is none."""
        result = self.result(function)
        for name, one in inspect.signature(function).parameters.items():
            is_required = one.default is inspect.Parameter.empty and name.endswith("_id")
            if is_required and result in self.rows and self.named(name, result) is result:
                return outside_name(name)
        return None

    def _argument(self, name: str, hint: Any, result: type[Entity] | None) -> Any:
        if not name.endswith(("_id", "_ids")):
            return sample(TypeAdapter(hint), outside_name(name), 1)
        model = self.named(name, result) or (result if result in self.rows else None)
        row_id = self.rows[model][0].id if model else sample_id(name, str(self.ada.tenant))
        return [str(row_id)] if name.endswith("_ids") else str(row_id)

    def selection(self, field: GraphQLField, depth: int) -> str:
        """Return a selection of every field without required arguments, `depth` levels of objects below the field."""
        kind = _named_type(field)
        return self.fields_of(kind, depth) if isinstance(kind, GraphQLObjectType) else ""

    def fields_of(self, kind: GraphQLObjectType, depth: int) -> str:
        """Return a selection of every field of a type, `depth` levels of objects below it."""
        parts = ["__typename"]
        for name, field in kind.fields.items():
            if name == "edges" or any(graphql.is_required_argument(argument) for argument in field.args.values()):
                continue
            inner = _named_type(field)
            if not isinstance(inner, GraphQLObjectType):
                parts.append(name)
            elif depth:
                parts.append(f"{name} {self.fields_of(inner, depth - 1)}")
        return "{ " + " ".join(parts) + " }"

    async def dump(self, principal: Principal) -> dict[tuple[str, UUID], int]:
        """Return the version of each row of the principal's tenant, also of tables that no one sees.

        A module that hears everything, its own events too, has heard all there is by then: it makes rows of them.
        """
        await _heard_all(self.running, principal)
        found: dict[tuple[str, UUID], int] = {}
        async with self.running.database.transaction(principal) as tx:
            for model in models_of(self.running.module.slug):
                statement = select(model.id, model.version).where(model.tenant_id == principal.tenant)
                found |= {(model.__name__, one.id): one.version for one in await tx.session.execute(statement)}
        return found


Check = Callable[[Subject], Any]


def codes(answer: Answer) -> list[str]:
    """Return the codes of a command's answer: of its GraphQL errors, or of its refusals. Raises Defect for no answer."""
    if answer.errors:
        return [str(error["extensions"]["code"]) for error in answer.errors]
    if not answer.data:
        raise Defect("The command answered nothing.")
    (payload,) = answer.data.values()
    return [str(error["code"]) for error in payload["userErrors"]]


async def _heard_all(running: Running, who: Principal) -> None:
    """Wait until a module that hears everything has heard all that was told in a tenant so far; others hear too little."""
    if ">" not in running.module.subscriptions:
        return
    told = {f"{one['aggregatetype']}/{one['subject']}": one["sequence"] for one in await running.outgoing(who.tenant)}
    end = time.monotonic() + _WAIT_S
    while True:
        async with running.database.transaction(who) as tx:
            heard = {row.key: row for row in await tx.session.execute(text("select * from kit.inbox_key"))}
        waits = [key for key, last in told.items() if key not in heard or heard[key].last_sequence < last]
        if all(key in heard and heard[key].parked for key in waits):
            return
        assert time.monotonic() < end, f"{waits} were not heard in {_WAIT_S} s"
        await asyncio.sleep(0.05)


async def _with_own(running: Running, rows: Rows, who: Principal) -> Rows:
    """Return the rows with those that the module made by itself, of events."""
    found: dict[type[Entity], list[Entity]] = {}
    async with running.database.transaction(who) as tx:
        for model, planted in rows.items():
            known = {row.id for row in planted}
            found[model] = [*planted, *(row for row in await tx.all(select(model)) if row.id not in known)]
    return found


def _named_type(field: GraphQLField) -> GraphQLNamedType:
    return graphql.get_named_type(field.type)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
