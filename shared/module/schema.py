"""A module's Strawberry schema, built from its marks."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Optional, cast, get_args, get_type_hints
from uuid import UUID

import strawberry
from graphql import parse, print_ast
from strawberry import UNSET
from strawberry.federation.schema_directives import Key
from strawberry.types.field import StrawberryField

from shared.database.entity import Entity, FieldFacts, snake
from shared.database.visibility import reaches, read_permission
from shared.errors import Defect, Forbidden
from shared.graph.connection import Page, PageRequest, count_rows, load_page
from shared.graph.context import Reach, RequestContext
from shared.graph.entity import DASHBOARD, BatchedMark, Dashboard, EntityMark, FieldMark
from shared.graph.filters import FilterBuilder, conditions, filtered_by
from shared.graph.names import plural
from shared.graph.rows import Related, load_related, load_row, parse_id
from shared.graph.scalars import SCALARS
from shared.graph.types import OWN, PageInfo, Types, add_field, make_field, make_type
from shared.module import Module
from shared.module.mutations import mutation_field
from shared.values import Sensitive, mark_of, outside_name
from shared.wire.principal import RowScope


@dataclasses.dataclass(frozen=True, slots=True)
class Stub:
    """Another module's entity, as far as this module knows it: its id."""

    id: UUID
    entity: str


class SchemaBuilder:
    """Builds one module's schema: first all types with their columns, then the fields that lead from type to type."""

    def __init__(self, module: Module) -> None:
        """Build for `module`."""
        self.module = module
        self.types = Types()
        self.filters = FilterBuilder(self.types)
        self.stubs: dict[str, type] = {}
        self.query: list[StrawberryField] = []

    def build(self) -> strawberry.federation.Schema:
        """Return the schema."""
        for model, (shown, mark) in self.module.entities.items():
            self.types.entities[model] = self._entity_type(model, shown, mark)
        for name in self._extended():
            self.stubs[name] = self._stub_type(name, resolvable=True)
        if self.module.card is not None:
            self.stubs[DASHBOARD] = self.types.dashboard = _dashboard_type()
        for model, (shown, mark) in self.module.entities.items():
            self._relations(model, shown, mark)
            if mark.root:
                self._roots(model, mark, mark.root)
        for shown, mark in self.module.extensions:
            for field in self._body(self.stubs[mark.entity], shown, lambda source: source.id):
                add_field(self.stubs[mark.entity], field)
        if self.module.card is not None:
            self._card(*self.module.card)
        for function, mark in self.module.queries:
            self.query.append(self._query_field(function, mark.permission, mark.name))
        mutations = [mutation_field(self.module, self.types, *marked) for marked in self.module.commands]
        return strawberry.federation.Schema(
            query=make_type("Query", self.query) if self.query else None,
            mutation=make_type("Mutation", mutations) if mutations else None,
            types=[*self.types.entities.values(), *self.stubs.values()],
            federation_version="2.11",
            scalar_overrides=SCALARS,
        )

    def _extended(self) -> list[str]:
        return [mark.entity for _, mark in self.module.extensions]

    def _entity_type(self, model: type[Entity], shown: type, mark: EntityMark) -> type:
        own = (("id", strawberry.ID), ("version", int))
        fields = [make_field(name, kind) for name, kind in own]
        for facts in model.__facts__.values():
            if facts.name not in mark.hidden:
                fields.append(self._column(facts))
        times = get_type_hints(Entity)
        fields += [make_field(name, get_args(times[name])[0]) for name in ("created_at", "updated_at")]
        fields.append(make_field("created_by", _maybe(strawberry.ID)))

        async def resolve_reference(info: strawberry.Info[Any, Any], id: strawberry.ID) -> Any:
            return await load_row(info.context, model, id)

        def is_type_of(value: Any, _info: Any) -> bool:
            return isinstance(value, model)

        return make_type(
            model.__name__,
            fields,
            description=(shown.__doc__ or model.__doc__ or "").strip() or None,
            keys=["id"],
            directives=[OWN],
            members={
                "resolve_reference": staticmethod(resolve_reference),
                "is_type_of": staticmethod(is_type_of),
            },
        )

    def _field_type(self, facts: FieldFacts) -> Any:
        kind = self.types.output(facts.type)
        return Optional[kind] if facts.nullable else kind  # noqa: UP045 the inner type is a value

    def _column(self, facts: FieldFacts) -> StrawberryField:
        mark = next((mark for mark in facts.marks if isinstance(mark, Sensitive)), None)
        if mark is None:
            return make_field(facts.name, self._field_type(facts))

        def guarded(root: Any, info: strawberry.Info[Any, Any]) -> Any:
            value, context = getattr(root, facts.name), _context(info)
            if value is None or (mark.permission and not reaches(root, context.principal, mark.permission)):
                return None
            context.note_read(root, facts.name)
            return value

        kind = self._field_type(facts)
        return make_field(facts.name, _maybe(kind) if mark.permission and not facts.nullable else kind, guarded)

    def _stub_type(self, entity: str, *, resolvable: bool) -> type:
        name = entity.rpartition(".")[2]

        async def resolve_reference(id: strawberry.ID) -> Stub | None:
            found = parse_id(id)
            return Stub(found, entity) if found else None

        def is_type_of(value: Any, _info: Any) -> bool:
            return isinstance(value, Stub) and value.entity == entity

        members: dict[str, Any] = {"is_type_of": staticmethod(is_type_of)}
        if resolvable:
            members["resolve_reference"] = staticmethod(resolve_reference)
        key: Any = "id" if resolvable else Key(fields="id", resolvable=False)  # pyright: ignore[reportArgumentType, reportCallIssue]
        return make_type(name, [make_field("id", strawberry.ID)], keys=[key], directives=[OWN], members=members)

    def _stub(self, entity: str) -> type:
        if entity not in self.stubs:
            self.stubs[entity] = self._stub_type(entity, resolvable=False)
        return self.stubs[entity]

    def _relations(self, model: type[Entity], shown: type, mark: EntityMark) -> None:
        owner = self.types.entities[model]
        for facts in model.__facts__.values():
            if facts.ref is not None and facts.name not in mark.hidden:
                self._reference(model, owner, facts)
        for field in self._body(owner, shown, lambda source: source.id):
            add_field(owner, field)

    def _reference(self, model: type[Entity], owner: type, facts: FieldFacts) -> None:
        assert facts.ref is not None
        name = facts.name.removesuffix("_id") if facts.name.endswith("_id") else f"{facts.name}_ref"
        column = facts.name
        if facts.ref.module not in (None, self.module.slug):
            entity = facts.ref.entity

            def stub(root: Any) -> Any:
                found = getattr(root, column)
                return Stub(found, entity) if found else None

            add_field(owner, make_field(name, _maybe(self._stub(entity)), stub))
            return
        target = self._model(facts.ref.name)

        async def row(root: Any, info: strawberry.Info[Any, Any]) -> Any:
            found = getattr(root, column)
            return await load_row(info.context, target, found) if found else None

        add_field(owner, make_field(name, _maybe(self.types.entities[target]), row))
        self._reverse(model, facts, target)

    def _reverse(self, model: type[Entity], facts: FieldFacts, target: type[Entity]) -> None:
        assert facts.ref is not None
        listed = facts.ref.reverse if facts.ref.reverse is not None else snake(plural(model.__name__))
        if not listed or target not in self.types.entities:
            return
        list_ = Related(model, facts.name, ("-created_at",))
        add_field(self.types.entities[target], self._list_field(listed, list_, lambda source: source.id))

    def _model(self, name: str) -> type[Entity]:
        for model in self.types.entities:
            if model.__name__ == name:
                return model
        raise Defect(f"{self.module.slug} refers to {name}, which has no @entity in this module.")

    def _body(self, owner: type, shown: type, id_of: Callable[[Any], UUID]) -> list[StrawberryField]:
        fields: list[StrawberryField] = []
        for name, value in vars(shown).items():
            mark = mark_of(value)
            if isinstance(value, Related):
                fields.append(self._list_field(name, value, id_of))
            elif isinstance(mark, BatchedMark):
                fields.append(self._batched_field(name, value, mark, id_of))
            elif isinstance(mark, FieldMark):
                fields.append(self._row_field(name, value))
        return fields

    def _list_field(self, name: str, list_: Related, id_of: Callable[[Any], UUID]) -> StrawberryField:
        kind = _maybe(list[self.types.entities[list_.model]])
        if not list_.status:

            async def rows(root: Any, info: strawberry.Info[Any, Any], first: int = 10) -> Any:
                return await load_related(info.context, list_, id_of(root), first, None)

            return make_field(name, kind, rows)
        status = list_.model.__facts__["status"].type

        async def rows_by(root: Any, info: strawberry.Info[Any, Any], first: int = 10, status: Any = UNSET) -> Any:
            return await load_related(info.context, list_, id_of(root), first, status or None)

        rows_by.__annotations__["status"] = _maybe(list[self.types.input(status)])
        return make_field(name, kind, rows_by)

    def _batched_field(
        self, name: str, function: Any, mark: BatchedMark, id_of: Callable[[Any], UUID]
    ) -> StrawberryField:
        result = get_type_hints(function)["return"]
        value = get_args(result)[1]

        async def one(root: Any, info: strawberry.Info[Any, Any]) -> Any:
            context: RequestContext = info.context
            reach = self._reach(context, mark.permission)

            async def load(tx: Any, ids: list[UUID]) -> list[Any]:
                answers = await function(tx, ids)
                return [answers.get(one) for one in ids]

            return await context.loader(function, load, reach=reach).load(id_of(root))

        return make_field(name, _maybe(self.types.output(value)), one, description=inspect.getdoc(function))

    def _row_field(self, name: str, function: Any) -> StrawberryField:
        needs_tx = len(inspect.signature(function).parameters) > 1
        kind = self.types.output(get_type_hints(function)["return"])

        async def with_tx(root: Any, info: strawberry.Info[Any, Any]) -> Any:
            return await _context(info).read(lambda tx: function(root, tx))

        def without(root: Any) -> Any:
            return function(root)

        return make_field(name, kind, with_tx if needs_tx else without, description=inspect.getdoc(function))

    def _roots(self, model: type[Entity], mark: EntityMark, root: str) -> None:
        if told := set(mark.hidden) & ({*mark.filters} - mark.guarded.keys() | {*mark.sort}):
            raise Defect(f"{model.__name__} hides {sorted(told)}, and lets everybody filter or sort by it.")
        kind = self.types.entities[model]

        async def one(info: strawberry.Info[Any, Any], id: strawberry.ID) -> Any:
            return await load_row(info.context, model, id)

        self.query.append(make_field(root, _maybe(kind), one, directives=[OWN]))
        connection = self._connection_type(model, kind)
        permission = read_permission(model)

        async def many(
            info: strawberry.Info[Any, Any],
            first: int | None = UNSET,
            after: str | None = UNSET,
            last: int | None = UNSET,
            before: str | None = UNSET,
            filter: Any = UNSET,
            sort: Any = UNSET,
        ) -> Any:
            scope = info.context.require(permission)
            # An argument that is null is one that wasn't sent.
            sent: list[Any] = [None if one is UNSET else one for one in (first, after, last, before, filter, sort)]
            request = PageRequest(model, *sent)
            conditions(model, filter)  # a filter that is refused is refused before the database is asked
            for name in mark.guarded.keys() & filtered_by(filter):
                if info.context.require(mark.guarded[name]) is not RowScope.TENANT:
                    raise Forbidden(mark.guarded[name])
            return await _context(info).read(lambda tx: load_page(tx, request, scope))

        many.__annotations__["filter"] = _maybe(self.filters.filter_of(model, mark.filters))
        many.__annotations__["sort"] = _maybe(self.filters.sort_of(model, mark.sort))
        self.query.append(make_field(plural(root), _maybe(connection), many, directives=[OWN]))

    def _connection_type(self, model: type[Entity], kind: Any) -> type:
        edge = make_type(
            f"{model.__name__}Edge", [make_field("node", kind), make_field("cursor", str)], directives=[OWN]
        )

        async def total_count(root: Any, info: strawberry.Info[Any, Any]) -> Any:
            page: Page = root
            return await _context(info).read(lambda tx: count_rows(tx, page))

        edges: Any = list[edge]  # pyright: ignore[reportInvalidTypeForm]
        return make_type(
            f"{model.__name__}Connection",
            [
                make_field("edges", edges),
                make_field("nodes", list[kind]),
                make_field("page_info", PageInfo),
                make_field("total_count", _maybe(int), total_count),
            ],
            directives=[OWN],
        )

    def _card(self, function: Any, mark: Any) -> None:
        kind = _maybe(self.types.output(get_type_hints(function)["return"]))

        async def card(info: strawberry.Info[Any, Any]) -> Any:
            context = _context(info)
            return await context.read(function, reach=self._reach(context, mark.permission))

        add_field(self.stubs[DASHBOARD], make_field(self.module.slug, kind, card, description=inspect.getdoc(function)))

    def _reach(self, context: RequestContext, permission: str | None) -> Reach | None:
        """Return the model that a permission names, and the caller's row scope in it. Raises Forbidden.

        A permission that names no model has no rows to narrow: whoever holds it for a row scope only does not hold it.
        """
        if permission is None:
            return None
        scope = context.require(permission)
        model = next((one for one in self.module.entities if read_permission(one) == permission), None)
        if model is not None:
            return model, scope
        if scope is not RowScope.TENANT:
            raise Forbidden(permission)
        return None

    def _argument(self, name: str, hint: Any) -> Any:
        kind = self.types.input(hint)
        return Annotated[kind, strawberry.argument(name=outside_name(name))] if name.endswith("_") else kind

    def _query_field(self, function: Any, permission: str | None, name: str | None) -> StrawberryField:
        hints = get_type_hints(function, include_extras=True)
        parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "tx"]

        async def answer(info: strawberry.Info[Any, Any], **arguments: Any) -> Any:
            context = _context(info)
            reach = self._reach(context, permission)
            read = {name: _plain_argument(hints[name], value) for name, value in arguments.items()}
            return await context.read(lambda tx: function(tx, **read), reach=reach)

        kind = _maybe(self.types.output(hints["return"]))
        inputs = [one.replace(annotation=self._argument(one.name, hints[one.name])) for one in parameters]
        first = inspect.Parameter("info", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=strawberry.Info)
        answer.__signature__ = inspect.Signature([first, *inputs], return_annotation=kind)  # pyright: ignore[reportFunctionMemberAccess]
        answer.__annotations__ = {"info": strawberry.Info, **{one.name: one.annotation for one in inputs}}
        return make_field(
            name or function.__name__, kind, answer, description=inspect.getdoc(function), directives=[OWN]
        )


def _dashboard_type() -> type:
    """Return the type whose one key is the caller's tenant: any other id answers like an absent one."""

    async def resolve_reference(info: strawberry.Info[Any, Any], id: strawberry.ID) -> Dashboard | None:
        own = info.context.principal.tenant
        return Dashboard(own) if parse_id(id) == own else None

    def is_dashboard(value: object, _info: object) -> bool:
        return isinstance(value, Dashboard)

    members = {"resolve_reference": staticmethod(resolve_reference), "is_type_of": staticmethod(is_dashboard)}
    return make_type("Dashboard", [make_field("id", strawberry.ID)], keys=["id"], directives=[OWN], members=members)


def _plain_argument(hint: Any, value: Any) -> Any:
    wants_id = hint is UUID or UUID in get_args(hint)
    return parse_id(value) if wants_id and isinstance(value, str) else value


def _context(info: strawberry.Info[Any, Any]) -> RequestContext:
    return info.context


def _maybe(kind: Any) -> Any:
    return cast("Any", Optional[kind])  # noqa: UP045 the inner type is a value


def build_schema(module: Module) -> strawberry.federation.Schema:
    """Return the Strawberry schema of a module. Raises Defect, or TypeError for a type that has no GraphQL form."""
    return SchemaBuilder(module).build()


def sorted_sdl(schema: strawberry.federation.Schema) -> str:
    """Return the schema's SDL with types, fields and arguments by name; enum values keep their order."""
    document = parse(schema.as_str())
    definitions = sorted((_sorted(node) for node in document.definitions), key=_place)
    return "\n\n".join(print_ast(node) for node in definitions) + "\n"


def _sorted(node: Any) -> Any:
    changed = {
        part: tuple(sorted((_sorted(child) for child in children), key=lambda child: child.name.value))
        for part in ("fields", "arguments", "types", "interfaces")
        if (children := getattr(node, part, None))
    }
    return dataclasses.replace(node, **changed) if changed else node


def _place(node: Any) -> tuple[bool, str]:
    return hasattr(node, "name"), node.name.value if hasattr(node, "name") else node.kind
