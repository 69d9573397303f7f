"""Worked out once per subgraph: which fields are external, provided, shareable, used by a directive or interface."""

import re

from router.composition.facts import SubgraphFacts, TypeFacts, named_type
from router.composition.field_sets import targets

_REFERENCE = re.compile(r"^\s*\$([A-Za-z][A-Za-z0-9_]*)\s*(\S.*)$", re.DOTALL)


def work_out(facts: SubgraphFacts) -> None:
    """Fill in `external`, `provided`, `shareable` and `used` of a subgraph."""
    for owner in facts.types.values():
        if owner.kind in ("OBJECT", "INTERFACE"):
            _external(facts, owner)
            _shareable(facts, owner)
    for owner in facts.types.values():
        if owner.kind in ("OBJECT", "INTERFACE"):
            _used(facts, owner)
            _provided(facts, owner)
    _used_by_contexts(facts)


def keys_of(owner: TypeFacts) -> list[str]:
    """Return the field sets of a type's keys, in written order."""
    return [fields for key in owner.applied("key") if (fields := key.text("fields")) is not None]


def _external(facts: SubgraphFacts, owner: TypeFacts) -> None:
    """@external on a field, or on the type block the field is written in.

    The key fields of an `extend type` count as present: Federation 1 asked for the mark there, and it means nothing.
    """
    blocks = {one.block for one in owner.directives if one.name == "external"}
    for field in owner.fields.values():
        if field.block in blocks or (field.directives and field.has("external")):
            facts.external.add((owner.name, field.name))
    extends = facts.is_federation_2 and owner.has("extends")
    for key in owner.applied("key"):
        if key.block or extends:
            facts.external.difference_update(targets(facts, owner.name, key.text("fields") or ""))


def _shareable(facts: SubgraphFacts, owner: TypeFacts) -> None:
    """@shareable on a field or on its type block; key fields are shareable, and all of a Federation 1 subgraph."""
    blocks = {one.block for one in owner.directives if one.name == "shareable"}
    for field in owner.fields.values():
        if field.block in blocks or not facts.is_federation_2 or (field.directives and field.has("shareable")):
            facts.shareable.add((owner.name, field.name))
    for key in owner.applied("key"):
        facts.shareable.update(targets(facts, owner.name, key.text("fields") or ""))


def _used(facts: SubgraphFacts, owner: TypeFacts) -> None:
    for key in owner.applied("key"):
        facts.used.update(targets(facts, owner.name, key.text("fields") or ""))
    for field in owner.fields.values():
        if owner.kind == "INTERFACE":
            for one in facts.implementations(owner.name):
                facts.used.add((one.name, field.name))
        for directive in field.directives:
            if directive.name == "requires":
                facts.used.update(targets(facts, owner.name, directive.text("fields") or ""))
            elif directive.name == "provides":
                facts.used.update(targets(facts, named_type(field.type), directive.text("fields") or ""))


def _used_by_contexts(facts: SubgraphFacts) -> None:
    """What @fromContext selects is used in every type that sets the context."""
    setters: dict[str, list[str]] = {}
    for owner in facts.types.values():
        for use in owner.applied("context") if owner.directives else ():
            setters.setdefault(use.text("name") or "", []).append(owner.name)
    fields = (field for owner in facts.types.values() for field in owner.fields.values()) if setters else ()
    for field in fields:
        for argument in field.arguments.values():
            mark = argument.first("fromContext") if argument.directives else None
            context, selection = context_and_selection((mark.text("field") or "") if mark else "")
            for name in setters.get(context, ()):
                facts.used.update(targets(facts, name, selection))


def context_and_selection(text: str) -> tuple[str, str]:
    """Return the two parts of `$context { selection }`; empty where the text is another."""
    found = _REFERENCE.match(text)
    return (found[1], found[2]) if found else ("", "")


def _provided(facts: SubgraphFacts, owner: TypeFacts) -> None:
    for field in owner.fields.values():
        for directive in field.directives:
            if directive.name == "provides":
                facts.provided.update(targets(facts, named_type(field.type), directive.text("fields") or ""))
