"""Row scopes: what belongs to colleagues is absent, in what is read and in what a command names."""

import copy
from collections.abc import Iterator
from typing import Any

from graphql import GraphQLField
from sqlalchemy import select

from mewayz.proof.ids import ABSENT, A, B
from mewayz.proof.operations import Filler, Targets, id_paths, operation, put
from mewayz.proof.report import Report, data_of
from mewayz.proof.rows import ROWS, entity_name
from mewayz.proof.world import World
from shared.commands.command import CommandMark
from shared.database.entity import models_of
from shared.database.transaction import Database
from shared.database.visibility import read_permission
from shared.graph.names import camel, plural

_NOBODY = ROWS + 1  # the number of a person to whom no row belongs


async def row_scopes(world: World, report: Report) -> None:
    """Who holds a permission for own rows only finds others' rows as absent, alone and in lists."""
    for slug, proven in world.modules.items():
        for model, (_, mark) in proven.module.entities.items():
            if model.__owner__ is None or mark.root is None:
                continue
            limited = world.principal(A, number=2, permissions=(f"{read_permission(model)}@own",))
            async with Database(proven.database.engine, slug, world.clock).transaction(world.principal(A)) as tx:
                rows = await tx.all(select(model))
            others = [row.id for row in rows if getattr(row, model.__owner__) not in (limited.user, limited.employee)]
            where = f"{slug} {mark.root} @own"
            for other in others[:2]:
                name = camel(mark.root)
                query = f"query($id: ID!) {{ {name}(id: $id) {{ id }} }}"
                body = await world.ask_module(slug, limited, query, {"id": str(other)})
                report.expect(data_of(body) == {name: None}, where, f"shows another's row: {body[:200].decode()}")
            listed = camel(plural(mark.root))
            body = await world.ask_module(slug, limited, f"{{ {listed} {{ totalCount }} }}")
            count, own = (data_of(body).get(listed) or {}).get("totalCount"), len(rows) - len(others)
            report.expect(count == own, where, f"counts {count} rows, {own} are the caller's")


async def named_rows(world: World, report: Report) -> None:
    """A command takes no row that its caller may not name: a colleague's is answered like an absent one, byte for byte."""
    targets = targets_of(world)
    for slug, proven in world.modules.items():
        fields: Any = getattr(proven.endpoint.documents.schema.mutation_type, "fields", {})
        for function, mark in proven.module.commands:
            name = camel(function.__name__)
            command = _Command(world, slug, targets, name, fields[name])
            sent = await command.accepted()
            for path, permissions in command.named(mark):
                answers: list[bytes] = []
                for one in (command.row(path), str(ABSENT)):
                    changed = put(copy.deepcopy(sent), path, one, fields[name])
                    body = await command.send(changed, permissions)
                    answers.append(report.read(f"{slug} {name}", body, B, (one,)))
                report.compare(f"{slug} {name} {'.'.join(path)} of a colleague", *answers)


def targets_of(world: World) -> Targets:
    """Return which entity an argument names, in all modules of a world."""
    return Targets([model for slug in world.modules for model in models_of(slug)])


class _Command:
    """A command, sent to its module."""

    def __init__(self, world: World, slug: str, targets: Targets, name: str, field: GraphQLField) -> None:
        self._world = world
        self._slug = slug
        self._targets = targets
        self._name = name
        self._field = field
        self._about = targets.about(field, name)
        self._number = 1

    async def accepted(self) -> dict[str, Any]:
        """Return arguments that the command accepts of who may do everything; where none are known, those of row 1."""
        for number in range(ROWS):
            self._number = number
            sent = self._sent()
            payload = data_of(await self.send(sent, ("*",), person=1)).get(self._name)
            if payload and not payload["userErrors"]:
                return sent
        self._number = 1
        return self._sent()

    def named(self, mark: CommandMark) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Yield where rows of the module are named, each with the permissions of somebody who may not name others'."""
        models = {entity_name(model): model for model in models_of(self._slug)}
        acted_on = self._targets.entities.get(self._about)
        for argument, facts in self._field.args.items():
            for path in id_paths(facts.type, (argument,)):
                entity = self._targets.of(path[-1], self._about)
                if entity not in models:
                    continue
                others = tuple(read_permission(one) for name, one in models.items() if name != entity)
                if entity == acted_on:
                    yield path, (f"{mark.permission}@own", *others)
                else:
                    yield path, (mark.permission, f"{read_permission(models[entity])}@own", *others)

    def row(self, path: tuple[str, ...]) -> str:
        """Return the row that is named there by accepted arguments."""
        return str(A.row(self._targets.of(path[-1], self._about), self._number))

    async def send(self, sent: dict[str, Any], permissions: tuple[str, ...], *, person: int = _NOBODY) -> bytes:
        """Return the module's answer."""
        principal = self._world.principal(A, number=person, permissions=permissions)
        return await self._world.ask_module(
            self._slug, principal, operation("mutation", self._name, self._field, sent), sent
        )

    def _sent(self) -> dict[str, Any]:
        return Filler(self._targets, A, self._number).arguments(self._field, self._about)


SCOPES = (row_scopes, named_rows)
