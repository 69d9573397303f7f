"""Merging the fields of objects and interfaces: who resolves each, with which type, and who may."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from router.composition.facts import Applied, Field, TypeFacts, named_type
from router.composition.memory import MergedField
from router.composition.merge.arguments import is_contextual, merge_arguments
from router.composition.merge.directives import merge_applied
from router.composition.merge.externals import check_externals, without_externals
from router.composition.merge.merging import Merging, describe_types, merge_description, merge_type_reference
from router.composition.merge.overrides import Overrides, overrides_of
from router.composition.merge.sharing import check_sharing
from router.composition.report import HintLevel
from router.supergraph import field_set, model


class _Parents(NamedTuple):
    """The type whose fields are merged: its facts, and per field the subgraphs that @provides it on some path."""

    sources: Mapping[int, TypeFacts]
    has_objects: bool
    providers: Mapping[str, Sequence[int]]


_NO_FIELDS: field_set.FieldSet = ()


def merge_fields(
    merging: Merging, name: str, sources: Mapping[int, TypeFacts], known: dict[tuple[str, str], MergedField]
) -> dict[str, model.Field]:
    """Return all fields that any subgraph gives the type, in the order they are met; `known` from the last time."""
    declared: dict[str, dict[int, Field]] = {}
    for index, one in sources.items():
        for field in one.fields.values():
            declared.setdefault(field.name, {})[index] = field
    providers: dict[str, list[int]] = {}
    for index in sources:
        for owner, field in merging.subgraphs[index].provided:
            if owner == name:
                providers.setdefault(field, []).append(index)
    parents = _Parents(sources, any(one.kind == "OBJECT" for one in sources.values()), providers)
    merged: dict[str, model.Field] = {}
    for field, given in declared.items():
        made = _remembered(merging, name, given, parents, known)
        if made is not None:
            merged[field] = made
    return merged


def _remembered(
    merging: Merging,
    owner: str,
    sources: Mapping[int, Field],
    parents: _Parents,
    known: dict[tuple[str, str], MergedField],
) -> model.Field | None:
    indexes, facts = tuple(sources), tuple(sources.values())
    key = (owner, facts[0].name)
    before = known.get(key)
    if before is not None and before.sources == facts and before.indexes == indexes and key[1] not in parents.providers:
        at = f"{owner}.{key[1]}"
        merging.outputs.setdefault(named_type(before.field.type), at)
        for argument in before.field.arguments.values():
            merging.inputs.setdefault(named_type(argument.type), f"{at}({argument.name}:)")
        return before.field
    told, asked = len(merging.report.errors) + len(merging.report.hints), merging.asked_supertypes
    merging.asked_supertypes = False
    made = _merge(merging, owner, sources, parents)
    is_quiet = len(merging.report.errors) + len(merging.report.hints) == told and not merging.asked_supertypes
    if made is not None and is_quiet:
        known[key] = MergedField(indexes, facts, made)
    else:
        known.pop(key, None)
    merging.asked_supertypes = merging.asked_supertypes or asked
    return made


def _merge(merging: Merging, owner: str, sources: Mapping[int, Field], parents: _Parents) -> model.Field | None:
    first = next(iter(sources.values()))
    at = f"{owner}.{first.name}"
    overrides = overrides_of(merging, owner, sources)
    resolved = without_externals(merging, owner, sources)
    if not resolved:
        message = (
            f"{at} is @external wherever it stands ({merging.names(sources)}): "
            f"a subgraph must resolve it, remove @external in one."
        )
        merging.error("EXTERNAL_MISSING_ON_BASE", message, sources.values())
        return None
    if parents.has_objects:
        providers = parents.providers.get(first.name, ())
        check_sharing(merging, owner, resolved, parents=parents.sources, providers=providers, overrides=overrides)
    references = {index: one.type for index, one in resolved.items()}
    reference, are_equal = _merge_type(merging, references, at, resolved)
    merging.outputs.setdefault(named_type(reference), at)
    arguments = merge_arguments(merging, resolved, at)
    if len(resolved) < len(sources):
        check_externals(merging, owner, sources, merged=(reference, are_equal, arguments))
    return model.Field(
        name=first.name,
        type=reference,
        sources={
            index: _source(merging, owner, index, one, reference=reference, overrides=overrides)
            for index, one in sources.items()
            if overrides.taken.get(index, True)
        },
        arguments=arguments,
        description=merge_description(merging, resolved, at),
        applied=merge_applied(merging, resolved, at),
    )


def _merge_type(
    merging: Merging, references: Mapping[int, str], at: str, sources: Mapping[int, Field]
) -> tuple[str, bool]:
    """Return the merged type and whether all resolving subgraphs give exactly it."""
    distinct = set(references.values())
    if len(distinct) == 1:
        return next(iter(distinct)), True
    reference, agrees = merge_type_reference(merging, references, is_input=False)
    if not agrees:
        message = f"The type of {at} differs: it is {describe_types(merging, references)}. Make them the same."
        merging.error("FIELD_TYPE_MISMATCH", message, sources.values())
        return reference, True
    message = f'The type of {at} differs but fits: "{reference}" is used; it is {describe_types(merging, references)}.'
    merging.hint("INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE", HintLevel.INFO, message, at, sources.values())
    return reference, False


def _source(
    merging: Merging, owner: str, index: int, field: Field, *, reference: str, overrides: Overrides
) -> model.Source:
    is_external = (owner, field.name) in merging.subgraphs[index].external
    has_contexts = any(is_contextual(one) for one in field.arguments.values())
    is_overridden = bool(overrides.taken or overrides.label)
    if field.type == reference and not (is_external or field.directives or has_contexts or is_overridden):
        return model.PLAIN
    made = model.Source(
        external=is_external,
        requires=_fields(field.first("requires")),
        provides=_fields(field.first("provides")),
        type=field.type if field.type != reference else None,
        override=overrides.source.get(index),
        override_label=overrides.label.get(index),
        used_overridden=overrides.taken.get(index, False),
        context_arguments=_contexts(merging, index, field) if has_contexts else (),
    )
    return model.PLAIN if made == model.PLAIN else made


def _fields(directive: Applied | None) -> field_set.FieldSet:
    text = directive.text("fields") if directive else None
    return field_set.parse_field_set(text) if text else _NO_FIELDS


def _contexts(merging: Merging, index: int, field: Field) -> tuple[model.ContextArgument, ...]:
    found: list[model.ContextArgument] = []
    for argument in field.arguments.values():
        use = argument.first("fromContext")
        text = (use.text("field") or "").strip() if use else ""
        if text.startswith("$"):
            context, _, selection = text[1:].partition(" ")
            if "{" in context:
                context, brace, rest = text[1:].partition("{")
                selection = brace + rest
            name = f"{merging.subgraphs[index].name}__{context.strip()}"
            found.append(model.ContextArgument(argument.name, argument.type, name, selection.strip()))
    return tuple(found)
