"""Model -> supergraph SDL, join v0.5. Deterministic: types and directives by name, all else in the model's order."""

from collections.abc import Iterable, Iterator, Mapping
from json import dumps

from graphql.language.block_string import print_block_string

from router.supergraph.field_set import print_field_set
from router.supergraph.model import (
    PLAIN,
    Applied,
    Argument,
    ContextArgument,
    Directive,
    Field,
    Kind,
    Link,
    Source,
    Supergraph,
    Type,
    bits,
)

_KEYWORDS = {
    Kind.OBJECT: "type",
    Kind.INTERFACE: "interface",
    Kind.UNION: "union",
    Kind.ENUM: "enum",
    Kind.INPUT: "input",
    Kind.SCALAR: "scalar",
}
_DIRECTIVES = """\
directive @join__directive(graphs: [join__Graph!], name: String!, args: join__DirectiveArguments) repeatable on SCHEMA \
| OBJECT | INTERFACE | FIELD_DEFINITION

directive @join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE

directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: \
Boolean, override: String, usedOverridden: Boolean, overrideLabel: String, contextArguments: \
[join__ContextArgument!]) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION

directive @join__graph(name: String!, url: String!) on ENUM_VALUE

directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE

directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = \
true, isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR

directive @join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION

directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA"""
_TYPES = """\
input join__ContextArgument {
  name: String!
  type: String!
  context: String!
  selection: join__FieldValue!
}

scalar join__DirectiveArguments

scalar join__FieldSet

scalar join__FieldValue

scalar link__Import

enum link__Purpose {
  \"\"\"`SECURITY` features provide metadata necessary to securely resolve fields.\"\"\"
  SECURITY

  \"\"\"`EXECUTION` features provide metadata necessary for operation execution.\"\"\"
  EXECUTION
}"""


def print_supergraph(supergraph: Supergraph, printed: dict[str, tuple[Type, str]] | None = None) -> str:
    """Print the SDL of a supergraph, ending in a newline.

    `printed` keeps the text of each type from one call to the next, for types that are the same object again.
    """
    return _Printer(supergraph, {} if printed is None else printed).text()


class _Printer:
    """Prints one supergraph; holds the names of its subgraphs in `join__Graph`."""

    def __init__(self, supergraph: Supergraph, printed: dict[str, tuple[Type, str]]) -> None:
        self._supergraph = supergraph
        self._printed = printed
        self._graphs = [one.graph for one in supergraph.subgraphs]

    def text(self) -> str:
        whole = self._supergraph
        blocks = [self._schema(), _DIRECTIVES]
        blocks += [self._directive(whole.directives[name]) for name in sorted(whole.directives)]
        blocks += [self._join_graph(), _TYPES]
        blocks += [self._remembered(whole.types[name]) for name in sorted(whole.types)]
        return "\n\n".join(blocks) + "\n"

    def _schema(self) -> str:
        whole = self._supergraph
        lines = [f"{_description(whole.description)}schema"]
        own = (
            Link("https://specs.apollo.dev/link/v1.0"),
            Link("https://specs.apollo.dev/join/v0.5", purpose="EXECUTION"),
        )
        lines += [f"  {_link(link)}" for link in (*own, *whole.links)]
        lines += [f"  {use}" for use in self._uses(whole.applied)]
        roots = "\n".join(f"  {operation}: {name}" for operation, name in whole.roots.items())
        return "\n".join(lines) + f"\n{{\n{roots}\n}}"

    def _join_graph(self) -> str:
        values = [
            f"  {one.graph} @join__graph(name: {_quoted(one.name)}, url: {_quoted(one.url)})"
            for one in self._supergraph.subgraphs
        ]
        return "\n".join(["enum join__Graph {", *values, "}"])

    def _directive(self, one: Directive) -> str:
        repeatable = " repeatable" if one.repeatable else ""
        arguments = self._arguments(one.arguments)
        places = " | ".join(one.locations)
        return f"{_description(one.description)}directive @{one.name}{arguments}{repeatable} on {places}"

    def _remembered(self, one: Type) -> str:
        known = self._printed.get(one.name)
        if known is None or known[0] is not one:
            known = self._printed[one.name] = (one, self._type(one))
        return known[1]

    def _type(self, one: Type) -> str:
        implements = f" implements {' & '.join(one.interfaces)}" if one.interfaces else ""
        head = f"{_description(one.description)}{_KEYWORDS[one.kind]} {one.name}{implements}"
        marks = [*self._join_types(one), *self._join_masks(one), *self._uses(one.applied)]
        head += "".join(f"\n  {mark}" for mark in marks)
        if one.members:
            return f"{head}\n  = {' | '.join(one.members)}"
        lines = [self._field(field, one.subgraphs) for field in one.fields.values()]
        for value in one.values.values():
            uses = [f"@join__enumValue(graph: {self._graphs[number]})" for number in bits(value.subgraphs)]
            uses += self._uses(value.applied)
            lines.append(f"{_description(value.description, '  ')}  {' '.join([value.name, *uses])}")
        return head + ("\n{\n" + "\n".join(lines) + "\n}" if lines else "")

    def _join_types(self, one: Type) -> Iterator[str]:
        for number in bits(one.subgraphs):
            flags = ", extension: true" if one.extensions >> number & 1 else ""
            stands = ", isInterfaceObject: true" if one.interface_objects >> number & 1 else ""
            keys = [key for key in one.keys if key.subgraph == number]
            for key in keys:
                resolvable = "" if key.resolvable else ", resolvable: false"
                fields = _quoted(print_field_set(key.fields))
                yield f"@join__type(graph: {self._graphs[number]}, key: {fields}{flags}{resolvable}{stands})"
            if not keys:
                yield f"@join__type(graph: {self._graphs[number]}{flags}{stands})"

    def _join_masks(self, one: Type) -> Iterator[str]:
        for name, mask in one.interfaces.items():
            for number in bits(mask):
                yield f"@join__implements(graph: {self._graphs[number]}, interface: {_quoted(name)})"
        for name, mask in one.members.items():
            for number in bits(mask):
                yield f"@join__unionMember(graph: {self._graphs[number]}, member: {_quoted(name)})"

    def _field(self, one: Field, parent: int) -> str:
        default = f" = {one.default}" if one.default is not None else ""
        uses = [*self._join_fields(one, parent), *self._uses(one.applied)]
        text = f"{one.name}{self._arguments(one.arguments)}: {one.type}{default}"
        return f"{_description(one.description, '  ')}  {' '.join([text, *uses])}"

    def _join_fields(self, one: Field, parent: int) -> Iterator[str]:
        if not one.sources:
            if parent:
                yield "@join__field"
            return
        everywhere = sum(1 << number for number in one.sources) == parent
        if everywhere and all(source == PLAIN for source in one.sources.values()):
            return
        for number, source in sorted(one.sources.items()):
            facts = "".join(f", {fact}" for fact in _source(source))
            yield f"@join__field(graph: {self._graphs[number]}{facts})"

    def _arguments(self, arguments: Mapping[str, Argument]) -> str:
        if not arguments:
            return ""
        shown: list[str] = []
        for one in arguments.values():
            default = f" = {one.default}" if one.default is not None else ""
            note = f"{_quoted(one.description)} " if one.description is not None else ""
            shown.append(note + " ".join([f"{one.name}: {one.type}{default}", *self._uses(one.applied)]))
        return f"({', '.join(shown)})"

    def _uses(self, applied: Iterable[Applied]) -> list[str]:
        return [self._use(one) for one in applied]

    def _use(self, one: Applied) -> str:
        arguments = ", ".join(f"{name}: {value}" for name, value in one.arguments.items())
        if not one.subgraphs:
            return f"@{one.name}({arguments})" if arguments else f"@{one.name}"
        graphs = ", ".join(self._graphs[number] for number in bits(one.subgraphs))
        given = f", args: {{ {arguments} }}" if arguments else ""
        return f"@join__directive(graphs: [{graphs}], name: {_quoted(one.name)}{given})"


def _source(source: Source) -> Iterator[str]:
    if source.requires:
        yield f"requires: {_quoted(print_field_set(source.requires))}"
    if source.provides:
        yield f"provides: {_quoted(print_field_set(source.provides))}"
    if source.type is not None:
        yield f"type: {_quoted(source.type)}"
    if source.external:
        yield "external: true"
    if source.override is not None:
        yield f"override: {_quoted(source.override)}"
    if source.used_overridden:
        yield "usedOverridden: true"
    if source.override_label is not None:
        yield f"overrideLabel: {_quoted(source.override_label)}"
    if source.context_arguments:
        yield f"contextArguments: [{', '.join(map(_context_argument, source.context_arguments))}]"


def _context_argument(one: ContextArgument) -> str:
    facts = {"name": one.name, "type": one.type, "context": one.context, "selection": one.selection}
    return "{" + ", ".join(f"{name}: {_quoted(value)}" for name, value in facts.items()) + "}"


def _link(link: Link) -> str:
    facts = [f"url: {_quoted(link.url)}"]
    if link.alias is not None:
        facts.append(f"as: {_quoted(link.alias)}")
    if link.purpose is not None:
        facts.append(f"for: {link.purpose}")
    if link.imports:
        facts.append(f"import: [{', '.join(link.imports)}]")
    return f"@link({', '.join(facts)})"


def _description(text: str | None, indent: str = "") -> str:
    if text is None:
        return ""
    block = print_block_string(text).split("\n")
    return "".join(f"{indent}{line}\n" if line else "\n" for line in block)


def _quoted(text: str) -> str:
    return dumps(text, ensure_ascii=False)
