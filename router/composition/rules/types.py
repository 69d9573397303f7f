"""Whether a subgraph is valid GraphQL: its types, references and implementations (GraphQL specification, section 3)."""

from collections.abc import Iterator

from router.composition.facts import (
    BUILT_IN_SCALARS,
    COMPOSITE,
    Argument,
    Field,
    Kind,
    SubgraphFacts,
    TypeFacts,
    item_type,
    named_type,
    nullable,
)
from router.composition.report import Location, Report
from router.composition.rules.values import misfit

_OUTPUT: frozenset[Kind] = frozenset({"SCALAR", "ENUM", "OBJECT", "INTERFACE", "UNION"})
_INPUT: frozenset[Kind] = frozenset({"SCALAR", "ENUM", "INPUT_OBJECT"})


def check_types(facts: SubgraphFacts, report: Report) -> None:
    """INVALID_GRAPHQL: every type is complete, what it refers to exists, and interfaces are implemented."""
    for owner in facts.types.values():
        for message, place in _type_problems(facts, owner):
            report.error("INVALID_GRAPHQL", f"[{facts.name}] {message}", at=[place])
    for kind, name in (("query", "Query"), ("mutation", "Mutation"), ("subscription", "Subscription")):
        root = facts.types.get(name)
        if kind in facts.roots and root is not None and root.kind != "OBJECT":
            message = f"[{facts.name}] The {kind} root {name} must be an object type."
            report.error("INVALID_GRAPHQL", message, at=[root.location])
    _check_input_cycles(facts, report)


def _type_problems(facts: SubgraphFacts, owner: TypeFacts) -> Iterator[tuple[str, Location]]:
    if owner.name.startswith("__"):
        yield (
            f'The name "{owner.name}" begins with "__", which is kept for introspection. Rename the type.',
            owner.location,
        )
    empty = {
        "UNION": not owner.members,
        "ENUM": not owner.values,
        "SCALAR": False,
    }.get(owner.kind, not owner.fields)
    if empty and (owner.has_definition or owner.kind not in ("OBJECT", "INTERFACE")):
        yield f"Type {owner.name} has nothing in it. Add at least one field, member or value.", owner.location
    for member, place in owner.members.items():
        target = facts.types.get(member)
        if target is None:
            yield f'Unknown type "{member}" in union {owner.name}. Define it.', place
        elif target.kind != "OBJECT":
            yield f"Union {owner.name} can hold object types only, and {member} is none.", place
    for field in owner.fields.values():
        yield from _field_problems(facts, owner, field)
    for interface, place in owner.interfaces.items():
        yield from _implementation_problems(facts, owner, interface, place)


def _field_problems(facts: SubgraphFacts, owner: TypeFacts, field: Field) -> Iterator[tuple[str, Location]]:
    at = f"{owner.name}.{field.name}"
    if field.name.startswith("__"):
        yield f'The name "{at}" begins with "__", which is kept for introspection. Rename the field.', field.location
    allowed, role = (_INPUT, "an input") if owner.kind == "INPUT_OBJECT" else (_OUTPUT, "an output")
    problem = _reference_problem(facts, field.type, allowed, role)
    if problem:
        yield f"{at}: {problem}", field.location
    elif field.has_default and (wrong := misfit(facts, field.default, field.type)):
        yield f"The default of {at} is wrong: {wrong}.", field.location
    for argument in field.arguments.values():
        yield from argument_problems(facts, argument, f"{at}({argument.name}:)")


def argument_problems(facts: SubgraphFacts, argument: Argument, at: str) -> Iterator[tuple[str, Location]]:
    """Yield what is wrong with an argument's type and default."""
    problem = _reference_problem(facts, argument.type, _INPUT, "an input")
    if problem:
        yield f"{at}: {problem}", argument.location
    elif argument.has_default and (wrong := misfit(facts, argument.default, argument.type)):
        yield f"The default of {at} is wrong: {wrong}.", argument.location


def _reference_problem(facts: SubgraphFacts, reference: str, allowed: frozenset[Kind], role: str) -> str:
    name = named_type(reference)
    if name in BUILT_IN_SCALARS:
        return ""
    target = facts.types.get(name)
    if target is None:
        return "" if facts.links.source(name) else f'Unknown type "{name}". Define it, or correct the name.'
    return "" if target.kind in allowed else f"{reference} cannot stand here, {name} is not {role} type."


def _implementation_problems(
    facts: SubgraphFacts, owner: TypeFacts, interface: str, place: Location
) -> Iterator[tuple[str, Location]]:
    target = facts.types.get(interface)
    if target is None:
        yield f'Unknown type "{interface}" implemented by {owner.name}. Define it.', place
        return
    if target.kind != "INTERFACE":
        yield f"{owner.name} cannot implement {interface}, which is no interface.", place
        return
    if interface == owner.name:
        yield f"{owner.name} cannot implement itself.", place
        return
    for inherited in target.interfaces:
        if inherited not in owner.interfaces:
            message = f"{owner.name} implements {interface} and so must implement {inherited}, too."
            yield message if inherited != owner.name else f"{owner.name} and {interface} implement each other.", place
    for wanted in target.fields.values():
        mine = owner.fields.get(wanted.name)
        if mine is None:
            yield f"{owner.name} implements {interface} but has no field {wanted.name}. Add it.", owner.location
            continue
        yield from _covariance_problems(facts, owner.name, mine, interface=interface, wanted=wanted)


def _covariance_problems(
    facts: SubgraphFacts, owner: str, mine: Field, *, interface: str, wanted: Field
) -> Iterator[tuple[str, Location]]:
    at, theirs = f"{owner}.{mine.name}", f"{interface}.{wanted.name}"
    if not is_subtype(facts, mine.type, wanted.type):
        yield f"{at} is {mine.type}, but {theirs} is {wanted.type}. Make it the same or narrower.", mine.location
    for argument in wanted.arguments.values():
        given = mine.arguments.get(argument.name)
        if given is None:
            yield f"{theirs} takes the argument {argument.name}, {at} does not. Add it.", mine.location
        elif given.type != argument.type:
            yield f"{at}({argument.name}:) is {given.type}, in {interface} it is {argument.type}.", given.location
    for argument in mine.arguments.values():
        if argument.name not in wanted.arguments and argument.is_required and not argument.has("fromContext"):
            yield f"{at}({argument.name}:) is required, but {theirs} has no such argument.", argument.location


def is_subtype(facts: SubgraphFacts, one: str, other: str) -> bool:
    """Whether a value of type `one` can stand where `other` is wanted, in this subgraph."""
    if one == other:
        return True
    if one.endswith("!"):
        return is_subtype(facts, one[:-1], nullable(other))
    if other.endswith("!"):
        return False
    mine, theirs = item_type(one), item_type(other)
    if mine is not None or theirs is not None:
        return mine is not None and theirs is not None and is_subtype(facts, mine, theirs)
    narrow, wide = facts.types.get(one), facts.types.get(other)
    if narrow is None or wide is None or narrow.kind not in COMPOSITE:
        return False
    return other in narrow.interfaces or (wide.kind == "UNION" and one in wide.members)


def _check_input_cycles(facts: SubgraphFacts, report: Report) -> None:
    """An input that cannot be written down, as it needs itself by non-null fields, is an error."""
    needs: dict[str, list[tuple[str, Field]]] = {}
    for owner in facts.types.values():
        if owner.kind == "INPUT_OBJECT":
            edges = [(field.type[:-1], field) for field in owner.fields.values() if field.type.endswith("!")]
            needs[owner.name] = [edge for edge in edges if edge[0] in facts.types]
    done: set[str] = set()
    for start in needs:
        path: list[tuple[str, Iterator[tuple[str, Field]]]] = [(start, iter(needs[start]))]
        while path and start not in done:
            _, edges = path[-1]
            edge = next(edges, None)
            if edge is None:
                done.add(path.pop()[0])
            elif any(edge[0] == name for name, _ in path):
                message = f"[{facts.name}] {edge[0]} needs itself through {edge[1].name}: make one field nullable."
                report.error("INVALID_GRAPHQL", message, at=[edge[1].location])
            elif edge[0] in needs and edge[0] not in done:
                path.append((edge[0], iter(needs[edge[0]])))
