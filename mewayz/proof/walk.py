"""The walk: every field, argument, filter, cursor, key and command of a schema, as A, with ids of A, of B and of nobody."""

import copy
import json
from collections.abc import Awaitable, Callable
from typing import Any

from graphql import GraphQLField, GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema, get_named_type

from mewayz.proof.ids import ABSENT, A, B, Side
from mewayz.proof.operations import Filler, Targets, id_paths, is_id, operation, put, selection
from mewayz.proof.operations import shown as shown_in
from mewayz.proof.report import Report, data_of
from mewayz.proof.rows import ROWS

Ask = Callable[[Side, str, Any], Awaitable[bytes]]
_READ_ROWS = 6


class Walk:
    """One walk of one schema."""

    def __init__(
        self, name: str, schema: GraphQLSchema, ask: Ask, targets: Targets, report: Report, *, short: bool = False
    ) -> None:
        """Walk `schema`, asking by `ask`; findings go to `report`. `short` tries ids, but no filters, sorts and cursors."""
        self._name = name
        self._schema = schema
        self._ask = ask
        self._targets = targets
        self._report = report
        self._short = short

    async def queries(self) -> None:
        """Try every root field."""
        for name, field in self._roots(self._schema.query_type):
            await self._own("query", name, field)
            for argument in (one for one, facts in field.args.items() if is_id(facts)):
                await self._strangers("query", name, field, (argument,))
            if "filter" in field.args and not self._short:
                await self._filters(name, field)
            if "after" in field.args and not self._short:
                await self._cursors(name, field)

    async def commands(self) -> None:
        """Try every command; the world takes back what they do."""
        for name, field in self._roots(self._schema.mutation_type):
            self._report.commands.add(name)
            number = await self._own("mutation", name, field)
            for argument, facts in field.args.items():
                for path in id_paths(facts.type, (argument,)):
                    await self._strangers("mutation", name, field, path, number)

    async def subscriptions(self, listen: Ask) -> None:
        """Try every subscription: what it sends of own rows, and that it sends the same for B's as for nobody's."""
        for name, field in self._roots(self._schema.subscription_type):
            where = f"{self._name} subscription {name}"
            for number in (2, 4):
                sent = self._sent(field, name, number)
                body = await listen(A, operation("subscription", name, field, sent), sent)
                self._report.read(where, body, B)
                for one in _data_of_events(body):
                    self._report.covered.update(shown_in(self._schema.subscription_type, one))
            for argument in (one for one, facts in field.args.items() if is_id(facts)):
                entity = self._targets.of(argument, get_named_type(field.type).name)
                answers: list[bytes] = []
                for one in (B.row(entity, 2), ABSENT):
                    sent = {**self._sent(field, name, 2), argument: str(one)}
                    body = await listen(A, operation("subscription", name, field, sent), sent)
                    answers.append(self._report.read(where, body, B, (str(one),)))
                self._report.compare(where, *answers)

    async def keys(self) -> None:
        """Try every entity's key, as the router asks a module by it."""
        union: Any = self._schema.type_map.get("_Entity")
        for kind in union.types if union else ():
            query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {kind.name} {selection(kind, 1)} }} }}"
            entity = self._targets.entities.get(kind.name, f"identity.{kind.name}")
            where = f"{self._name} _entities {kind.name}"
            for number in range(self._rows):
                own = A.tenant if kind.name == "Dashboard" else A.row(entity, number)
                body = await self._ask(A, query, _key(kind.name, own))
                self._report.read(where, body, B)
                for row in data_of(body).get("_entities") or ():
                    self._report.covered.update(shown_in(kind, row))
            foreign = B.tenant if kind.name == "Dashboard" else B.row(entity, 1)
            answers = [
                self._report.read(where, await self._ask(A, query, _key(kind.name, one)), B, (str(one),))
                for one in (foreign, ABSENT)
            ]
            self._report.compare(where, *answers)

    async def twins(self) -> None:
        """Ask for the same id in both tenants, B first: what was loaded for one must not serve the other."""
        for name, field in self._roots(self._schema.query_type):
            if list(field.args) == ["id"]:
                sent = Filler(self._targets, A, 0).arguments(field, get_named_type(field.type).name)
                query = operation("query", name, field, sent)
                await self._ask(B, query, sent)
                self._report.read(f"{self._name} twin {name}", await self._ask(A, query, sent), B)

    def _roots(self, kind: GraphQLObjectType | None) -> list[tuple[str, GraphQLField]]:
        """Return the root fields that a module answers: the gateway's own are about its queue, not about rows."""
        known = self._report.fields
        return [
            (name, field)
            for name, field in (kind.fields if kind else {}).items()
            if not known or f"{kind}.{name}" in known
        ]

    @property
    def _rows(self) -> int:
        return 2 if self._short else _READ_ROWS

    async def _own(self, verb: str, name: str, field: GraphQLField) -> int:
        """Ask with the tenant's own rows, one after the other; return the number of one that a command accepts."""
        has_ids = any(is_id(one) for one in field.args.values())
        for number in range(ROWS if verb == "mutation" else self._rows if has_ids else 1):
            sent = self._sent(field, name, number, optional_ids=verb == "query")
            body = await self._ask(A, operation(verb, name, field, sent), sent)
            self._report.read(f"{self._name} {name}", body, B)
            data = data_of(body)
            root = self._schema.query_type if verb == "query" else self._schema.mutation_type
            self._report.covered.update(shown_in(root, data))
            if verb == "mutation" and data.get(name) and not data[name]["userErrors"]:
                self._report.accepted.add(name)
                return number
        return 1

    async def _strangers(
        self, verb: str, name: str, field: GraphQLField, path: tuple[str, ...], number: int = 1
    ) -> None:
        """Ask with B's id in one place, then with an id of nobody: both answers must be the same."""
        where = f"{self._name} {name} {'.'.join(path)}"
        sent = self._sent(field, name, number)
        entity = self._targets.of(path[-1], self._targets.about(field, name))
        answers: list[bytes] = []
        for one in (B.row(entity, 1), ABSENT):
            changed = put(copy.deepcopy(sent), path, str(one), field)
            body = await self._ask(A, operation(verb, name, field, changed), changed)
            answers.append(self._report.read(where, body, B, (str(one),)))
        self._report.compare(where, *answers)

    async def _filters(self, name: str, field: GraphQLField) -> None:
        kind = get_named_type(field.args["filter"].type)
        assert isinstance(kind, GraphQLInputObjectType)
        for key, facts in kind.fields.items():
            operators = get_named_type(facts.type)
            if not isinstance(operators, GraphQLInputObjectType) or "eq" not in operators.fields:
                continue
            scalar = get_named_type(operators.fields["eq"].type).name
            if scalar == "ID":
                entity = self._targets.of(key, name)
                tried = (str(B.row(entity, 1)), str(ABSENT))
            elif scalar == "String":
                tried = (_text_of(B, name, key), f"cnryx{key}")
            else:
                continue
            answers: list[bytes] = []
            for value in tried:
                sent = {"filter": {key: {"eq": value}}}
                body = await self._ask(A, operation("query", name, field, sent), sent)
                answers.append(self._report.read(f"{self._name} {name} filter {key}", body, B, (value,)))
            self._report.compare(f"{self._name} {name} filter {key}", *answers)

    async def _cursors(self, name: str, field: GraphQLField) -> None:
        """Go on, as A, from where B is; count, and sort by everything."""
        shown = "{ totalCount pageInfo { endCursor } nodes { id } }"
        text = f"query($after: String) {{ {name}(first: 2, after: $after) {shown} }}"
        of_b = data_of(await self._ask(B, text, {}))
        cursor = ((of_b.get(name) or {}).get("pageInfo") or {}).get("endCursor")
        self._report.read(f"{self._name} {name} after", await self._ask(A, text, {"after": cursor}), B)
        if "sort" not in field.args:
            return
        kind: Any = get_named_type(field.args["sort"].type)
        for value in get_named_type(kind.fields["field"].type).values:
            sent = {"sort": {"field": value, "direction": "DESC"}}
            body = await self._ask(A, operation("query", name, field, sent), sent)
            self._report.read(f"{self._name} {name} sort {value}", body, B)

    def _sent(self, field: GraphQLField, name: str, number: int, *, optional_ids: bool = False) -> dict[str, Any]:
        filler = Filler(self._targets, A, number, finds=optional_ids)
        return filler.arguments(field, self._targets.about(field, name), optional_ids=optional_ids)


def _data_of_events(body: bytes) -> list[Any]:
    lines = (line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: {"))
    return [json.loads(line).get("data") for line in lines]


def _key(kind: str, one: object) -> dict[str, Any]:
    return {"r": [{"__typename": kind, "id": str(one)}]}


def _text_of(side: Side, name: str, key: str) -> str:
    return f"{side.canary}{name.removesuffix('s')}{key}1".lower()
