"""@key, @requires and @provides: what their field sets may select."""

from collections.abc import Iterator
from typing import NamedTuple

from router.composition.facts import Applied, Field, SubgraphFacts, named_type
from router.composition.field_sets import Selection, is_composite, parse_field_set
from router.composition.report import Location, Report
from router.composition.values import print_value

_ABSTRACT = {"INTERFACE": "an interface", "UNION": "a union"}


class _Codes(NamedTuple):
    """The codes of one directive; a code is None where the directive has no such rule."""

    is_no_string: str
    invalid: str
    has_directive: str
    has_arguments: str | None = None
    is_abstract: str | None = None
    is_own: str | None = None


_KEY = _Codes(
    is_no_string="KEY_INVALID_FIELDS_TYPE",
    invalid="KEY_INVALID_FIELDS",
    has_directive="KEY_DIRECTIVE_IN_FIELDS_ARG",
    has_arguments="KEY_FIELDS_HAS_ARGS",
    is_abstract="KEY_FIELDS_SELECT_INVALID_TYPE",
)
_REQUIRES = _Codes(
    is_no_string="REQUIRES_INVALID_FIELDS_TYPE",
    invalid="REQUIRES_INVALID_FIELDS",
    has_directive="REQUIRES_DIRECTIVE_IN_FIELDS_ARG",
    is_own="REQUIRES_FIELDS_MISSING_EXTERNAL",
)
_PROVIDES = _Codes(
    is_no_string="PROVIDES_INVALID_FIELDS_TYPE",
    invalid="PROVIDES_INVALID_FIELDS",
    has_directive="PROVIDES_DIRECTIVE_IN_FIELDS_ARG",
    has_arguments="PROVIDES_FIELDS_HAS_ARGS",
    is_own="PROVIDES_FIELDS_MISSING_EXTERNAL",
)


class _Set(NamedTuple):
    """A `fields` argument under inspection: `what` introduces it in messages, `type` is what it selects from."""

    directive: Applied
    what: str
    type: str
    codes: _Codes


def check_keys(facts: SubgraphFacts, report: Report) -> None:
    """KEY_*: a key selects existing fields without arguments, never a union or interface; on interfaces from v2.3."""
    version = facts.links.federation_version
    for owner in facts.types.values():
        for key in owner.applied("key"):
            if owner.kind == "INTERFACE" and version is not None and version < (2, 3):
                message = (
                    f'[{facts.name}] @key on interface "{owner.name}" needs federation v2.3: raise the @link version.'
                )
                report.error("KEY_UNSUPPORTED_ON_INTERFACE", message, at=[key.location])
                continue
            _check(facts, report, _Set(key, f'On type "{owner.name}"', owner.name, _KEY))


def check_requires(facts: SubgraphFacts, report: Report) -> None:
    """REQUIRES_*: what a field requires exists here, and comes from elsewhere (is @external)."""
    for owner, field in facts.marked_fields():
        for one in field.applied("requires"):
            what = f'On field "{owner.name}.{field.name}"'
            _check(facts, report, _Set(one, what, owner.name, _REQUIRES))


def check_provides(facts: SubgraphFacts, report: Report) -> None:
    """PROVIDES_*: what a field provides exists on its type, and comes otherwise from elsewhere (is @external).

    EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE: a field that is resolved elsewhere provides nothing here.
    """
    for owner, field in facts.marked_fields():
        for one in field.applied("provides"):
            if (owner.name, field.name) in facts.external:
                message = (
                    f'[{facts.name}] "{owner.name}.{field.name}" is @external, so this subgraph cannot provide '
                    f"anything with it: remove @provides, or @external."
                )
                report.error("EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE", message, at=[one.location])
                continue
            if not is_composite(facts, field.type):
                message = (
                    f'[{facts.name}] @provides on "{owner.name}.{field.name}" has nothing to provide: its type is '
                    f"{field.type}, which has no fields. Remove the directive."
                )
                report.error("PROVIDES_ON_NON_OBJECT_FIELD", message, at=[one.location])
                continue
            what = f'On field "{owner.name}.{field.name}"'
            _check(facts, report, _Set(one, what, named_type(field.type), _PROVIDES))


def _check(facts: SubgraphFacts, report: Report, inspected: _Set) -> None:
    codes = inspected.codes
    value = inspected.directive.arguments.get("fields")
    text = inspected.directive.text("fields")
    shown = f"@{inspected.directive.written}(fields: {print_value(value)})"
    intro = f"[{facts.name}] {inspected.what}, for {shown}"
    place = inspected.directive.location
    if "fields" not in inspected.directive.arguments:
        return
    if text is None:
        report.error(codes.is_no_string, f"{intro}: the argument is not a string. Write it in quotes.", at=[place])
        return
    parsed = parse_field_set(text)
    if parsed.problem:
        report.error(codes.invalid, f"{intro}: this is no field set, {parsed.problem}", at=[place])
        return
    for code, message, where in _problems(facts, inspected.type, parsed.selections, codes):
        report.error(code, f"{intro}: {message}", at=[place, where])
    if codes.is_own:
        for owner, name in _present(facts, inspected.type, parsed.selections):
            field = facts.field_at((owner, name))
            message = (
                f'{intro}: "{owner}.{name}" is resolved by this subgraph itself. Leave it out, or mark it @external.'
            )
            report.error(codes.is_own, message, at=[place, field.location if field else None])


def _problems(
    facts: SubgraphFacts, owner: str, selections: tuple[Selection, ...], codes: _Codes
) -> Iterator[tuple[str, str, Location | None]]:
    """Yield code, message and place of each thing wrong in a field set."""
    parent = facts.types.get(owner)
    for one in selections:
        for directive in one.directives:
            yield codes.has_directive, f"it applies {directive}. Field sets take no directives.", None
        if one.on is not None:
            target = one.on or owner
            if not facts.runtime_types(target) & facts.runtime_types(owner):
                yield codes.invalid, f'"{owner}" can never be "{target}". Correct the fragment.', None
            else:
                yield from _problems(facts, target, one.children, codes)
            continue
        if one.alias:
            yield codes.invalid, f'"{one.alias}: {one.name}" is an alias. Field sets take none.', None
        if one.name == "__typename":
            continue
        field = parent.fields.get(one.name) if parent and parent.kind != "UNION" else None
        if field is None:
            message = (
                f'"{owner}" has no field "{one.name}" here. Add it, with @external when another subgraph resolves it.'
            )
            yield codes.invalid, message, parent.location if parent else None
            continue
        yield from _field_problems(facts, owner, one, field, codes)


def _field_problems(
    facts: SubgraphFacts, owner: str, one: Selection, field: Field, codes: _Codes
) -> Iterator[tuple[str, str, Location | None]]:
    at = f'"{owner}.{field.name}"'
    if not codes.has_arguments:
        for name, value in one.arguments:
            if name not in field.arguments:
                yield codes.invalid, f'{at} has no argument "{name}". Correct the name.', field.location
            elif print_value(value).find("$") >= 0 and not isinstance(value, str):
                yield codes.invalid, f"the argument {name} of {at} is a variable. Write a constant.", field.location
        given = {name for name, _ in one.arguments}
        for argument in field.arguments.values():
            if argument.is_required and argument.name not in given:
                yield codes.invalid, f"{at} needs the argument {argument.name}. Give it.", field.location
    elif field.arguments:
        yield (
            codes.has_arguments,
            f"{at} takes arguments. A field with arguments cannot be selected here.",
            field.location,
        )
    target = facts.types.get(named_type(field.type))
    kind = target.kind if target else "SCALAR"
    if codes.is_abstract and kind in _ABSTRACT:
        yield codes.is_abstract, f"{at} is {_ABSTRACT[kind]}, which no key can hold.", None
    elif is_composite(facts, field.type):
        if one.children:
            yield from _problems(facts, named_type(field.type), one.children, codes)
        else:
            yield codes.invalid, f"{at} is of type {field.type}. Select fields of it.", field.location
    elif one.children:
        yield codes.invalid, f"{at} is of type {field.type}, which has no fields.", field.location


def _present(facts: SubgraphFacts, owner: str, selections: tuple[Selection, ...]) -> Iterator[tuple[str, str]]:
    """Yield the leaves of a field set that nothing on their way marks as coming from elsewhere."""
    for one in selections:
        if one.on is not None:
            yield from _present(facts, one.on or owner, one.children)
        elif one.name == "__typename":
            yield owner, one.name
        else:
            field = facts.field_at((owner, one.name))
            if field is None or is_external_somewhere(facts, owner, one.name):
                continue
            if one.children:
                yield from _present(facts, named_type(field.type), one.children)
            else:
                yield owner, one.name


def is_external_somewhere(facts: SubgraphFacts, owner: str, name: str) -> bool:
    """Whether a field is @external here, or, on an interface, in one of its implementations."""
    if (owner, name) in facts.external:
        return True
    parent = facts.types.get(owner)
    if parent is None or parent.kind != "INTERFACE":
        return False
    return any((one.name, name) in facts.external for one in facts.implementations(owner))
