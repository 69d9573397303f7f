"""Showing why a field cannot be had: a query that needs it, and what stops each subgraph."""

from typing import NamedTuple

from router.supergraph.field_set import FieldSet, print_field_set
from router.supergraph.model import Argument, Field, Kind, Supergraph, bits, named
from router.supergraph.reach import Reach, Views

_SAMPLES = {"Int": "0", "Float": "0.0", "Boolean": "true", "String": '"text"', "ID": '"1"'}


class Step(NamedTuple):
    """A field of `owner`, a fragment, or, without parent, the operation; steps point back to the root."""

    parent: "Step | None"
    text: str
    owner: str


def witness_query(supergraph: Supergraph, last: Step) -> str:
    """Return a query that selects the last step, required arguments filled in with samples."""
    steps: list[Step] = []
    step: Step | None = last
    while step is not None:
        steps.append(step)
        step = step.parent
    steps.reverse()
    lines = [f"{steps[0].text} {{".lstrip()]
    for depth, one in enumerate(steps[1:], 1):
        field = None if one.text.startswith("...") else supergraph.types[one.owner].fields[one.text]
        text = one.text if field is None else field.name + _arguments(supergraph, field)
        opens = depth < len(steps) - 1
        if not opens and field is not None and _is_composite(supergraph, field):
            text += " { __typename }"
        lines.append("  " * depth + text + (" {" if opens else ""))
    lines += ["  " * depth + "}" for depth in range(len(steps) - 2, -1, -1)]
    return "\n".join(lines)


def _is_composite(supergraph: Supergraph, field: Field) -> bool:
    one = supergraph.types.get(named(field.type))
    return one is not None and one.kind in (Kind.OBJECT, Kind.INTERFACE, Kind.UNION)


def _arguments(supergraph: Supergraph, field: Field) -> str:
    required = [one for one in field.arguments.values() if one.type.endswith("!") and one.default is None]
    given = [f"{one.name}: {_sample(supergraph, one.type, depth=0)}" for one in required]
    return f"({', '.join(given)})" if given else ""


def _sample(supergraph: Supergraph, reference: str, *, depth: int) -> str:
    inner = reference.removesuffix("!")
    if inner.startswith("["):
        return "[]"
    one = supergraph.types.get(inner)
    if one is not None and one.kind is Kind.ENUM:
        return next(iter(one.values), "null")
    if one is not None and one.kind is Kind.INPUT and depth < 4:
        required: list[Argument | Field] = [
            f for f in one.fields.values() if f.type.endswith("!") and f.default is None
        ]
        given = [f"{field.name}: {_sample(supergraph, field.type, depth=depth + 1)}" for field in required]
        return f"{{{', '.join(given)}}}"
    return _SAMPLES.get(inner, '"text"')


def explain(reach: Reach, owner: str, name: str, *, mask: int, views: Views, held: frozenset[str]) -> dict[int, str]:
    """Return, per subgraph, why it cannot give `owner.name` to a query that stands in `mask`."""
    reasons: dict[int, str] = {}
    sources = reach.sources(owner, name)
    for number in bits(mask):
        if number not in sources:
            reasons[number] = f'it has no field "{owner}.{name}"'
            continue
        source = sources[number]
        at = f'"{owner}.{name}"'
        if source.external:
            reasons[number] = f"{at} is @external there"
        elif source.used_overridden or source.override_label is not None:
            reasons[number] = f"{at} is overridden there"
        elif lost := [one for one in source.context_arguments if one.context not in held]:
            unset = lost[0].context.partition("__")[2]
            reasons[number] = f'{at} takes "{lost[0].name}" from the context "{unset}", which no object above sets here'
        elif source.requires and not reach.obtains(owner, source.requires, mask, views):
            reasons[number] = f'it @requires "{print_field_set(source.requires)}", which cannot be had from here'
        elif source.requires:
            reasons[number] = f"{at} @requires other fields, and without a key it cannot be entered again with them"
    for number in bits(reach.resolvers(owner, name) & ~mask):
        reasons[number] = _why_not_entered(reach, owner, name, number, mask=mask, views=views)
    return dict(sorted(reasons.items()))


def _why_not_entered(reach: Reach, owner: str, name: str, number: int, *, mask: int, views: Views) -> str:
    has = f'it has "{owner}.{name}" but cannot be entered'
    keys = [way.key for way in reach.entries(owner) if way.subgraph == number]
    if not keys:
        return f'{has}: "{owner}" has no resolvable @key there'
    tried = [f'@key(fields: "{print_field_set(key)}") needs {_missing(reach, owner, key, mask, views)}' for key in keys]
    return f"{has}: {', '.join(tried)}"


def _missing(reach: Reach, owner: str, key: FieldSet, mask: int, views: Views) -> str:
    lost = [one for one in reach.flat(owner, key) if not reach.obtains(owner, (one,), mask, views)]
    names = ", ".join(f'"{one}"' for one in lost)
    return f"{names}, which cannot be had from here" if names else "the concrete type, which is not known here"
