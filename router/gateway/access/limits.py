"""How large an operation may be, checked before it is planned (security.md F, threats 20 and 21)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)

from router.gateway.errors import LimitExceeded

_UNCOUNTED = frozenset({"edges", "nodes"})  # a connection's own levels
_REMEMBERED = 4096
_REMEMBERED_CHARACTERS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one document may hold, its fragments written out wherever they are spread."""

    tokens: int = 2000
    depth: int = 20  # without `edges` and `nodes`
    introspection_depth: int = 20
    aliases: int = 30
    root_fields: int = 20
    directives: int = 20
    fields: int = 2000


class LimitCheck:
    """Checks documents against limits, and remembers those that passed."""

    def __init__(self, limits: Limits) -> None:
        """Check against `limits`."""
        self._limits = limits
        self._passed: dict[str, None] = {}

    def check(self, query: str) -> None:
        """Raise LimitExceeded if the document holds too much; one that doesn't parse is left to the parser."""
        if query in self._passed:
            return
        try:
            document = parse(query, no_location=True, max_tokens=self._limits.tokens)
            check_document(document, self._limits)
        except GraphQLSyntaxError as error:
            self._refuse_aborted(error)
            return
        if len(query) <= _REMEMBERED_CHARACTERS:
            self._remember(query)

    def _refuse_aborted(self, error: GraphQLSyntaxError) -> None:
        """Raise LimitExceeded where the parser stopped at a bound of its own, not at a mistake."""
        if "nested too deeply" in error.message:
            raise LimitExceeded("depth", self._limits.depth) from error
        if "Parsing aborted" in error.message:
            raise LimitExceeded("tokens", self._limits.tokens) from error

    def _remember(self, query: str) -> None:
        if len(self._passed) >= _REMEMBERED:
            del self._passed[next(iter(self._passed))]
        self._passed[query] = None


def check_document(document: DocumentNode, limits: Limits) -> None:
    """Raise LimitExceeded for the first limit that an operation of the document exceeds."""
    sizes = _Sizes({one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)})
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            size = sizes.of_selection(operation.selection_set)
            directives = size.directives + len(operation.directives or ())
            _refuse_above(limits, size, directives)


def _refuse_above(limits: Limits, size: "_Size", directives: int) -> None:
    counted = (
        ("depth", size.depth, limits.depth),
        ("introspection depth", size.introspection_depth, limits.introspection_depth),
        ("introspection aliases", size.introspection_aliases, 0),
        ("aliases", size.aliases, limits.aliases),
        ("root fields", size.top_fields, limits.root_fields),
        ("directives", directives, limits.directives),
        ("fields", size.fields, limits.fields),
    )
    for what, count, limit in counted:
        if count > limit:
            raise LimitExceeded(what, limit)


@dataclass(frozen=True, slots=True)
class _Size:
    """How large a selection is with its fragments written out; `top_fields` stand in the selection itself."""

    depth: int = 0
    introspection_depth: int = 0
    introspection_aliases: int = 0
    fields: int = 0
    top_fields: int = 0
    aliases: int = 0
    directives: int = 0

    def beside(self, other: "_Size") -> "_Size":
        return _Size(
            max(self.depth, other.depth),
            max(self.introspection_depth, other.introspection_depth),
            self.introspection_aliases + other.introspection_aliases,
            self.fields + other.fields,
            self.top_fields + other.top_fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
        )


@dataclass(slots=True)
class _Sizes:
    """Measures selections, each fragment once: a document of doubling fragments costs no more than its text."""

    fragments: Mapping[str, FragmentDefinitionNode]
    known: dict[str, _Size] = field(default_factory=dict[str, _Size])

    def of_selection(self, selection: SelectionSetNode | None) -> _Size:
        size = _Size()
        for node in selection.selections if selection else ():
            if isinstance(node, FieldNode):
                part = self._of_field(node)
            elif isinstance(node, FragmentSpreadNode):
                part = self._of_fragment(node.name.value)
            else:
                part = self.of_selection(getattr(node, "selection_set", None))
            size = size.beside(part).beside(_Size(directives=len(node.directives or ())))
        return size

    def _of_field(self, node: FieldNode) -> _Size:
        inner = self.of_selection(node.selection_set)
        name = node.name.value
        step = 0 if name in _UNCOUNTED else 1
        is_meta = name in ("__schema", "__type")
        return _Size(
            depth=0 if is_meta else inner.depth + step,
            introspection_depth=inner.depth + 1 if is_meta else inner.introspection_depth,
            introspection_aliases=_repeated(node, inner) if is_meta else inner.introspection_aliases,
            fields=inner.fields + 1,
            top_fields=1,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
        )

    def _of_fragment(self, name: str) -> _Size:
        if name not in self.known:
            self.known[name] = _Size()  # what a cycle counts, which validation refuses
            fragment = self.fragments.get(name)
            self.known[name] = self.of_selection(fragment.selection_set if fragment else None)
        return self.known[name]


def _repeated(node: FieldNode, inner: _Size) -> int:
    """Return by how many aliases introspection repeats itself: it costs nothing by the fields' weights, and much time.

    Several types may be asked for, each under a name of its own.
    """
    return inner.aliases + (node.alias is not None and node.name.value == "__schema")
