"""Merging types: kinds must agree; then each kind merges in its own way, enums last."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from router.composition.facts import ROOT_NAMES, Element, Kind, SubgraphFacts, TypeFacts
from router.composition.federation import SPECS
from router.composition.memory import Memory, MergedType, replay
from router.composition.merge.consistency import hint_on_interface, hint_on_object
from router.composition.merge.directives import joined, merge_applied
from router.composition.merge.enums import merge_enum
from router.composition.merge.features import merge_features
from router.composition.merge.fields import merge_fields
from router.composition.merge.inputs import merge_input
from router.composition.merge.merging import Merging, describe, index_types, merge_description
from router.composition.merge.sharing import check_subscription
from router.composition.merge.unions import merge_union
from router.composition.report import Report
from router.supergraph import field_set, model

Sources: TypeAlias = Mapping[int, TypeFacts]

_PLAIN_KINDS: dict[Kind, str] = {
    "SCALAR": "scalar",
    "OBJECT": "object type",
    "INTERFACE": "interface",
    "UNION": "union",
    "ENUM": "enum",
    "INPUT_OBJECT": "input",
}


def merge(subgraphs: list[SubgraphFacts], report: Report, memory: Memory) -> tuple[Merging, model.Supergraph]:
    """Merge the subgraphs into one supergraph; what does not fit is reported, and the rest merged all the same."""
    merging = Merging(subgraphs, report)
    index_types(merging)
    features = merge_features(merging)
    if report.errors:  # without knowing which directives there are, the rest would only repeat the trouble
        return merging, model.Supergraph(_subgraphs(subgraphs), {}, {})
    if "Query" not in merging.types:
        message = "No subgraph has a query: a supergraph needs a root type Query with at least one field."
        report.error("NO_QUERIES", message)
    check_subscription(merging)
    _check_surroundings(merging, memory)
    types: dict[str, model.Type] = {}
    for name, sources in sorted(merging.types.items(), key=lambda item: item[0] in merging.enums):
        made = _remembered(merging, name, sources, memory)
        if made is not None:
            types[name] = made
    types = {name: types[name] for name in merging.types if name in types}
    _root_everywhere(merging, types, memory)
    add_interface_object_fields(merging, types)
    for scalar in features.scalars:
        types[scalar] = model.Type(scalar, model.Kind.SCALAR, 0)
    return merging, model.Supergraph(
        subgraphs=_subgraphs(subgraphs),
        types=types,
        roots={kind: name for kind, name in ROOT_NAMES.items() if name in types},
        directives=features.directives,
        links=features.links,
        applied=_schema_applied(merging),
    )


def _check_surroundings(merging: Merging, memory: Memory) -> None:
    """Forget the merged types when directives are shown otherwise; some also when the type hierarchy has changed."""
    surroundings = (tuple(merging.shown.items()), tuple(merging.composers.items()), frozenset(merging.repeatable))
    if surroundings != memory.surroundings:
        memory.forget_merges()
    elif merging.supertypes != memory.supertypes:
        memory.merged = {name: one for name, one in memory.merged.items() if not one.asked_supertypes}
    memory.surroundings = surroundings
    memory.supertypes = merging.supertypes
    for name in [one for one in memory.merged if one not in merging.types]:
        del memory.merged[name]


def _remembered(merging: Merging, name: str, sources: Sources, memory: Memory) -> model.Type | None:
    """Return a type as it was merged the last time, if all it depends on is the same; else merge it."""
    facts = tuple(sources.values())
    surroundings: tuple[object, ...] = tuple(sources)
    if name in merging.enums:
        surroundings += (merging.inputs.get(name), merging.outputs.get(name))
    elif facts[0].kind != "INPUT_OBJECT":
        surroundings += tuple(merging.by_interface_object.get(name, ()))
        for one in facts:
            if one.interfaces:
                surroundings += tuple(interface for interface in one.interfaces if interface in merging.types)
    known = memory.merged.get(name)
    if known is None or known.sources != facts or known.surroundings != surroundings:
        known = memory.merged[name] = _merge_anew(merging, name, sources, surroundings, memory=memory)
    if known.errors or known.hints:
        replay(merging.report, known.errors, known.hints)
    for used, at in known.inputs.items():
        merging.inputs.setdefault(used, at)
    for used, at in known.outputs.items():
        merging.outputs.setdefault(used, at)
    return known.type


def _merge_anew(
    merging: Merging, name: str, sources: Sources, surroundings: tuple[object, ...], *, memory: Memory
) -> MergedType:
    told, inputs, outputs = merging.report, merging.inputs, merging.outputs
    is_enum = name in merging.enums
    merging.report, merging.asked_supertypes = Report(), False
    if not is_enum:
        merging.inputs, merging.outputs = {}, {}
    kind = _kind(merging, name, sources)
    _check_base(merging, name, sources)
    made = _merge_type(merging, name, kind, sources, memory) if kind is not None else None
    before = memory.merged.get(name)
    if before is not None and before.type == made:
        made = before.type  # equal is the same: what depends on it stays
    used_in, used_out = ({}, {}) if is_enum else (merging.inputs, merging.outputs)
    errors, hints = tuple(merging.report.errors), tuple(merging.report.hints)
    merging.report, merging.inputs, merging.outputs = told, inputs, outputs
    facts = tuple(sources.values())
    return MergedType(facts, surroundings, merging.asked_supertypes, made, used_in, used_out, errors, hints)


def _subgraphs(subgraphs: list[SubgraphFacts]) -> tuple[model.Subgraph, ...]:
    graphs = model.graph_names([one.name for one in subgraphs])
    return tuple(model.Subgraph(one.name, one.url, graph) for one, graph in zip(subgraphs, graphs, strict=True))


def _kind(merging: Merging, name: str, sources: Sources) -> Kind | None:
    """Return the kind all subgraphs give a type; an @interfaceObject counts as the interface it stands for."""
    kinds: dict[int, Kind] = {
        index: "INTERFACE" if one.kind == "OBJECT" and one.has("interfaceObject") else one.kind
        for index, one in sources.items()
    }
    if len(set(kinds.values())) == 1:
        kind = next(iter(kinds.values()))
        if kind == "INTERFACE" and all(one.kind == "OBJECT" for one in sources.values()):
            message = (
                f"{name} is an @interfaceObject wherever it is defined ({merging.names(sources)}): "
                f"one subgraph must define it as an interface."
            )
            merging.error("INTERFACE_OBJECT_USAGE_ERROR", message, sources.values())
        return kind
    told = describe(merging, {index: f"{_PLAIN_KINDS[kind]}" for index, kind in kinds.items()})
    message = f"{name} is {told}: make it the same kind everywhere, or rename one."
    merging.error("TYPE_KIND_MISMATCH", message, sources.values())
    return None


def _check_base(merging: Merging, name: str, sources: Sources) -> None:
    """EXTENSION_WITH_NO_BASE: someone must define a type that others extend."""
    if name in ROOT_NAMES.values() or any(not one.is_extension for one in sources.values()):
        return
    for index, one in sources.items():
        subgraph = merging.subgraphs[index].name
        message = (
            f'[{subgraph}] "{name}" is extended, but no subgraph defines it: remove "extend", or define it elsewhere.'
        )
        merging.error("EXTENSION_WITH_NO_BASE", message, [one])


def _merge_type(merging: Merging, name: str, kind: Kind, sources: Sources, memory: Memory) -> model.Type:
    fields: dict[str, model.Field] = {}
    if kind in ("OBJECT", "INTERFACE"):
        fields = merge_fields(merging, name, sources, memory.fields if name in ROOT_NAMES.values() else {})
        (hint_on_object if kind == "OBJECT" else hint_on_interface)(merging, name, sources)
    elif kind == "INPUT_OBJECT":
        fields = merge_input(merging, name, sources)
    return model.Type(
        name=name,
        kind=model.Kind(kind),
        subgraphs=_mask(sources, lambda _: True),
        keys=_keys(sources),
        fields=fields,
        interfaces=_implements(merging, sources),
        members=merge_union(merging, name, sources) if kind == "UNION" else {},
        values=merge_enum(merging, name, sources) if kind == "ENUM" else {},
        extensions=_mask(sources, lambda one: one.is_extension and one.has("key")),
        interface_objects=_mask(sources, lambda one: one.kind == "OBJECT") if kind == "INTERFACE" else 0,
        description=merge_description(merging, sources, name),
        applied=merge_applied(merging, sources, name),
    )


def _mask(sources: Sources, claim: Callable[[TypeFacts], bool]) -> int:
    return sum(1 << index for index, one in sources.items() if claim(one))


def _keys(sources: Sources) -> tuple[model.Key, ...]:
    keys: dict[tuple[int, field_set.FieldSet], model.Key] = {}
    for index, one in sources.items():
        for use in one.directives:
            text = use.text("fields") if use.name == "key" else None
            if text is not None:
                fields = field_set.parse_field_set(text)
                resolvable = use.arguments.get("resolvable") is not False
                keys.setdefault((index, fields), model.Key(index, fields, resolvable))
    return tuple(keys.values())


def _implements(merging: Merging, sources: Sources) -> dict[str, int]:
    masks: dict[str, int] = {}
    for index, one in sources.items():
        for interface in one.interfaces:
            if interface in merging.types:
                masks[interface] = masks.get(interface, 0) | 1 << index
    return masks


def _root_everywhere(merging: Merging, types: dict[str, model.Type], memory: Memory) -> None:
    """Every subgraph has a Query, if only to answer `_service`: so its fields always name their subgraphs."""
    query = types.get("Query")
    if query is None:
        return
    if memory.query is None or memory.query[0] is not query:
        memory.query = (query, replace(query, subgraphs=(1 << len(merging.subgraphs)) - 1))
    types["Query"] = memory.query[1]


def add_interface_object_fields(merging: Merging, types: dict[str, model.Type]) -> None:
    """Give implementations the fields that only an @interfaceObject gives their interface, without a source."""
    for name in [one.name for one in types.values() if one.interface_objects]:
        interface = types[name]
        standing = {field: one for field, one in interface.fields.items() if _stands(interface, one)}
        for implementer in merging.implementers.get(name, ()):
            made = types.get(implementer)
            missing = {field: one for field, one in standing.items() if made and field not in made.fields}
            if made and missing:
                added = {field: _sourceless(one) for field, one in missing.items()}
                types[implementer] = replace(made, fields={**made.fields, **added})


def _stands(interface: model.Type, field: model.Field) -> bool:
    return any(interface.interface_objects >> index & 1 for index in field.sources)


def _sourceless(one: model.Field) -> model.Field:
    return model.Field(one.name, one.type, {}, one.arguments, None, one.description, one.applied)


def _schema_applied(merging: Merging) -> tuple[model.Applied, ...]:
    sources = {
        one.index: Element("schema", one.schema_directives[0].location, None, one.schema_directives)
        for one in merging.subgraphs
        if one.schema_directives
    }
    connectors = [
        (one.index, use)
        for one in merging.subgraphs
        for use in one.schema_directives
        if use.name == "link" and (use.text("url") or "").startswith(f"{SPECS}/connect/")
    ]
    return (*joined("link", connectors), *merge_applied(merging, sources, "schema"))
