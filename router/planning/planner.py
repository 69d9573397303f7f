"""From an operation to its plan: normalize, choose, stage, render."""

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    print_ast,
)

from router.errors import Unplannable
from router.planning.choices import Arrival
from router.planning.choose import Chooser
from router.planning.normalize import Normalizer, Selection, Want
from router.planning.places import Place
from router.planning.plan import QueryPlan
from router.planning.render import Renderer
from router.planning.stage import Stager
from router.supergraph.model import bits
from router.supergraph.reach import Reach


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation to plan. `values` are those of the variables that @skip and @include name."""

    document: DocumentNode
    node: OperationDefinitionNode
    values: Mapping[str, object]


def plan_operation(reach: Reach, schema: GraphQLSchema, operation: Operation) -> QueryPlan:
    """Plan the fewest fetches, then the fewest levels, that answer an operation valid for `schema`.

    Raises Unplannable, naming the field and, for each subgraph, why it cannot serve it.
    """
    kind = operation.node.operation.value
    root = reach.supergraph.roots[kind]
    fragments = {
        one.name.value: one for one in operation.document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    normalizer = Normalizer(reach, fragments, operation.values)
    selection = normalizer.operation(operation.node, root)
    fetched = tuple(want for want in selection.wants[root] if not want.name.startswith("__"))
    asked = Selection(root, {root: fetched}, (), True)
    chooser = Chooser(reach, root)
    stager = Stager(reach)
    places = _places(chooser, stager, asked, reach, is_serial=kind == "mutation")
    stager.stage()
    variables = {one.variable.name.value: _definition(one) for one in operation.node.variable_definitions or ()}
    renderer = Renderer(reach, schema, stager, kind, variables=variables)
    fetches = renderer.fetches()
    return QueryPlan(
        operation=kind,
        fetches=fetches,
        shape=renderer.root_shape(selection, places),
        variables=variables,
        is_optimal=chooser.is_optimal,
        introspection=_introspection(operation, normalizer.introspection, fragments),
        deferrals=renderer.deferrals,
        streams=renderer.streams,
        first=renderer.first,
    )


def _definition(node: object) -> str:
    text = print_ast(node)  # pyright: ignore[reportArgumentType]
    return text.split(":", 1)[1].strip()


def _introspection(
    operation: Operation, nodes: list[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> DocumentNode | None:
    """Return a document that asks only what the API schema itself answers."""
    if not nodes:
        return None
    given = operation.node
    only = OperationDefinitionNode(
        operation=given.operation,
        name=given.name,
        variable_definitions=given.variable_definitions,
        directives=(),
        selection_set=SelectionSetNode(selections=tuple(nodes)),
    )
    return DocumentNode(definitions=(only, *fragments.values()))


def _places(chooser: Chooser, stager: Stager, asked: Selection, reach: Reach, *, is_serial: bool) -> list[Place]:
    """Choose the root's fields together; those of a mutation one after the other, as the specification wants."""
    places: list[Place] = []
    arrival = Arrival(0, reach.everywhere)
    for turn, part in enumerate(_turns(chooser, asked, arrival) if is_serial else [asked]):
        choice = chooser.site(part, arrival)
        if choice is None:
            raise unplannable(chooser, reach, part, arrival, ())
        places.append(stager.place(part, choice, arrival, turn=turn))
    return places


def _turns(chooser: Chooser, asked: Selection, arrival: Arrival) -> list[Selection]:
    """Part a mutation's fields: those in a row that one subgraph answers whole share a request, which it runs in order.

    The last of them may need other subgraphs: nothing comes after it.
    """
    turns: list[list[Want]] = []
    before: object = None  # the subgraph that answered all of the turn so far, and alone
    for want in asked.wants[asked.type]:
        choice = chooser.site(Selection(asked.type, {asked.type: (want,)}, (), True), arrival)
        subgraphs = choice.by_type[asked.type].picks[0].subgraphs if choice is not None else None
        if turns and before is not None and subgraphs == before:
            turns[-1].append(want)
        else:
            turns.append([want])
        before = subgraphs if choice is not None and choice.fetches == 1 else None
    return [Selection(asked.type, {asked.type: tuple(wants)}, (), True) for wants in turns]


def unplannable(
    chooser: Chooser, reach: Reach, selection: Selection, arrival: Arrival, path: tuple[str, ...]
) -> Unplannable:
    """Find the deepest field that no subgraph can serve, and say why for each that has it."""
    found = chooser.why_not(selection, arrival)
    if found is None:
        return Unplannable(selection.type, ".".join(path), {})
    type_name, want = found
    here = (*path, want.response or want.name)
    able = chooser.able(type_name, want, arrival)
    if want.child is not None and able:
        one = bits(able)[0]
        return unplannable(chooser, reach, want.child, chooser.arrival(type_name, want, arrival, one), here)
    reasons = {
        reach.supergraph.subgraphs[number].name: _reason(reach, type_name, want.name, number)
        for number in reach.sources(type_name, want.name)
    }
    return Unplannable(f"{type_name}.{want.name}", ".".join(here), reasons)


def _reason(reach: Reach, type_name: str, name: str, number: int) -> str:
    source = reach.source(type_name, name, number)
    if source.external:
        return "the field is external there"
    if not reach.resolvers(type_name, name) >> number & 1:
        return "the field is overridden there"
    return "it cannot be entered from here by a key, or the fields of @requires cannot be had"
