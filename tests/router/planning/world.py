"""A small world of subgraphs over one store of objects, and the monolith over the same store as oracle.

An object is a dict with `__typename`; a value may be a function of (object, arguments). A subgraph serves only what its
SDL declares: an external field comes from the representation, or from the store where some @provides names it, else it
is an error. So a plan that forgets a @requires, or asks a field where it is external, gives another answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import graphql as g
import orjson

from router.composition.compose import compose
from router.composition.subgraph import Subgraph
from router.errors import RouterError
from router.execution.prepared import Graph, Prepared
from router.execution.run import Answer, execute
from tests.waiting import PATIENCE_S

Row = dict[str, Any]
FEDERATION = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.8", import: ["@key", "@shareable", "@external", '
    '"@requires", "@provides", "@override", "@inaccessible", "@interfaceObject", "@tag", "@context", "@fromContext"])\n'
)
IDENTITY = ("id", "upc", "products", "sku", "code", "lot", "pid", "composite", "one", "two")


@dataclass
class Seen:
    """An object as one subgraph sees it: `told` is the representation it came by."""

    row: Row
    told: Mapping[str, Any] | None
    typename: str

    def __getitem__(self, name: str) -> Any:
        """Return a value: what was told goes first."""
        if self.told is not None and name in self.told:
            return self.told[name]
        return self.row[name]


class World:
    """Subgraphs by name -> SDL, and the store: rows by type, and root values under "Query" and "Mutation"."""

    def __init__(
        self, subgraphs: Mapping[str, str], rows: Mapping[str, list[Row]], roots: Mapping[str, Any], **options: Any
    ) -> None:
        texts = {
            name: sdl if "@link" in sdl or "extend type" in sdl else FEDERATION + sdl for name, sdl in subgraphs.items()
        }
        composed = compose([Subgraph(name, f"http://{name}", sdl) for name, sdl in texts.items()])
        assert composed.supergraph is not None, composed.errors
        self.graph = Graph(composed.supergraph, **options)
        self.rows = rows
        self.roots = roots
        for name, several in rows.items():
            for row in several:
                row.setdefault("__typename", name)
        self.subgraphs = {name: Served(name, sdl, self) for name, sdl in texts.items()}
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.down: dict[str, RouterError] = {}
        self.oracle = self.graph.schema

    def prepare(self, query: str, variables: Mapping[str, Any] | None = None) -> Prepared:
        """Return the prepared operation."""
        return self.graph.prepare(query, None, variables)

    async def send(self, subgraph: str, body: bytes, seconds: float) -> bytes:
        """Answer as a subgraph would, or raise what `down` says."""
        request = orjson.loads(body)
        self.sent.append((subgraph, request))
        if subgraph in self.down:
            raise self.down[subgraph]
        return orjson.dumps(self.subgraphs[subgraph].answer(request))

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Answer:
        """Ask the router."""
        self.sent.clear()
        return await execute(self.prepare(query, variables), variables, self.send, PATIENCE_S)

    def truth(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Return what the monolith answers."""
        result = g.execute_sync(
            self.oracle, g.parse(query), variable_values=dict(variables or {}), field_resolver=self._whole,
            type_resolver=lambda value, *_: value.typename,
        )  # fmt: skip
        assert not result.errors, result.errors
        return result.data

    def _whole(self, source: Any, info: g.GraphQLResolveInfo, **arguments: Any) -> Any:
        found = self.roots[info.field_name] if source is None else source[info.field_name]
        return seen(found(source, arguments) if callable(found) else found)


@dataclass
class Served:
    """One subgraph, executable."""

    name: str
    sdl: str
    world: World
    schema: g.GraphQLSchema = field(init=False)

    def __post_init__(self) -> None:
        """Build the schema: federation's own types added, extensions without a base made the base."""
        document = g.parse(self.sdl, no_location=True)
        skipped = ("schema_definition", "schema_extension", "directive_definition")
        nodes = [one for one in document.definitions if one.kind not in skipped]
        keyed = {one.name.value for one in nodes if any(use.name.value == "key" for use in one.directives or ())}
        keyed = {one for one in keyed if not self._is_interface(nodes, one)}
        based = {one.name.value for one in nodes if one.kind.endswith("definition")}
        texts: list[str] = []
        for one in nodes:
            text = g.print_ast(one)
            if one.kind.endswith("extension") and one.name.value not in based:
                text = text.removeprefix("extend ")
                based.add(one.name.value)
            texts.append(text)
        entities = "_entities(representations: [_Any!]!): [_Entity]!" if keyed else ""
        texts.append(f"{'extend ' if 'Query' in based else ''}type Query {{ _service: String {entities} }}")
        texts.append("scalar _Any" + (f" union _Entity = {' | '.join(sorted(keyed))}" if keyed else ""))
        self.schema = g.build_ast_schema(g.parse("\n".join(texts)), assume_valid=True, assume_valid_sdl=True)
        fields = [(one, f) for one in nodes for f in getattr(one, "fields", None) or ()]
        self.external = {
            (one.name.value, f.name.value)
            for one, f in fields
            if any(_uses(one, "external")) or any(_uses(f, "external"))
        }
        self.provided = " ".join(use.arguments[0].value.value for _, f in fields for use in _uses(f, "provides"))
        self.keys = " ".join(use.arguments[0].value.value for one in nodes for use in _uses(one, "key"))
        self.objects = {one.name.value for one in nodes if any(_uses(one, "interfaceObject"))}

    @staticmethod
    def _is_interface(nodes: list[Any], name: str) -> bool:
        return any(one.kind.startswith("interface") and one.name.value == name for one in nodes)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Validate and execute a request."""
        document = g.parse(request["query"])
        errors = g.validate(self.schema, document)
        assert not errors, f"{self.name} refuses {request['query']}: {errors[0].message}"
        result = g.execute_sync(
            self.schema, document, variable_values=request.get("variables"), field_resolver=self._resolve,
            type_resolver=lambda value, *_: self.type_of(value),
        )  # fmt: skip
        return result.formatted

    def type_of(self, value: Seen) -> str:
        """Return the type of an object as this subgraph knows it."""
        if value.typename in self.schema.type_map:
            return value.typename
        interfaces = self.world.graph.reach.types[value.typename].interfaces
        return next(name for name in self.objects if name in interfaces)

    def _resolve(self, source: Any, info: g.GraphQLResolveInfo, **arguments: Any) -> Any:
        name = info.field_name
        if source is None:
            if name == "_entities":
                return [self._entity(one) for one in arguments["representations"]]
            found = self.world.roots[name]
            return seen(found(None, arguments) if callable(found) else found)
        told = source.told is not None and name in source.told
        is_external = (info.parent_type.name, name) in self.external
        if is_external and not told and name not in f"{self.provided} {self.keys}":
            raise ValueError(f"{info.parent_type.name}.{name} is external in {self.name}")
        found = source[name] if is_external or name not in source.row else source.row[name]
        if callable(found):
            found = found(source, arguments)
        return seen(found, None)

    def _entity(self, told: Mapping[str, Any]) -> Seen | None:
        wanted = {name: value for name, value in told.items() if name != "__typename"}
        names = [told["__typename"]]
        for row in (row for several in self.world.rows.values() for row in several):
            implements = self.world.graph.reach.types[row["__typename"]].interfaces
            if (row["__typename"] in names or names[0] in implements) and _fits(row, wanted):
                return Seen(row, told, row["__typename"])
        return None


def _uses(node: Any, name: str) -> Iterator[Any]:
    return (use for use in node.directives or () if use.name.value == name)


def _fits(row: Any, told: Mapping[str, Any]) -> bool:
    """Whether a representation means a row: what names it is equal, whatever else is told."""
    named = [name for name in told if name in IDENTITY and name in row]
    return bool(named) and all(_equals(row[name], told[name]) for name in named)


def _equals(value: Any, told: Any) -> bool:
    if isinstance(told, list):
        return len(value) == len(told) and all(map(_equals, value, told))
    return _fits(value, told) if isinstance(told, dict) else value == told


def seen(value: Any, told: Mapping[str, Any] | None = None) -> Any:
    """Wrap objects, in lists too."""
    if isinstance(value, list):
        return [seen(one) for one in value]
    if isinstance(value, dict) and "__typename" in value:
        return Seen(value, told, value["__typename"])
    if isinstance(value, dict):
        return Seen(value, told, "")
    return value
