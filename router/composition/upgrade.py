"""Federation 1 subgraphs among others: read as Federation 2 means them.

Federation 1 was lax: it took marks without meaning and dropped them. Here they go, so the rules of Federation 2 hold
for every subgraph. Everything a Federation 1 subgraph resolves counts as shareable (usage.py).
"""

from collections.abc import Iterator, Mapping

from router.composition.facts import COMPOSITE, ROOT_NAMES, Applied, Field, SubgraphFacts, TypeFacts, named_type
from router.composition.field_sets import Selection, parse_field_set, targets
from router.composition.report import Report
from router.composition.usage import keys_of
from router.composition.values import print_value

_FIELD_SETS = ("key", "provides", "requires")


def upgrade(subgraphs: list[SubgraphFacts], report: Report) -> None:
    """Upgrade every Federation 1 subgraph in place."""
    old = [one for one in subgraphs if not one.is_federation_2]
    if not old:
        return
    defined = {
        owner.name: owner for one in reversed(subgraphs) for owner in one.types.values() if not owner.is_extension
    }
    keys = {name: found for name, owner in defined.items() if (found := keys_of(owner))}
    for one in old:
        _check_bases(one, defined, report)
        for owner in one.types.values():
            _clean(owner)
        _drop_external_on_extensions(one, keys)
        for owner, field in one.marked_fields():
            _drop_inactive(one, owner, field)
        for owner in one.types.values():
            _make_definition(owner)
        _drop_unused_external(one, report)
        _drop_repeated_tags(one, subgraphs)


def _check_bases(facts: SubgraphFacts, defined: Mapping[str, TypeFacts], report: Report) -> None:
    """EXTENSION_WITH_NO_BASE, told here as the upgrade turns extensions into definitions."""
    for owner in facts.types.values():
        if owner.is_extension and owner.name not in defined and owner.name not in ROOT_NAMES.values():
            message = (
                f'[{facts.name}] "{owner.name}" is extended, but no subgraph defines it: '
                f'remove "extend", or define it elsewhere.'
            )
            report.error("EXTENSION_WITH_NO_BASE", message, at=[owner.location])


def _clean(owner: TypeFacts) -> None:
    """Drop what means nothing: @external on types, marks on interfaces; write field sets as strings."""
    dropped = {"external", "key"} if owner.kind == "INTERFACE" else {"external"}
    owner.directives = [one for one in owner.directives if one.name not in dropped]
    for use in owner.directives:
        _fix_argument(use)
    for field in owner.fields.values():
        if owner.kind == "INTERFACE":
            field.directives = [one for one in field.directives if one.name not in ("external", "provides", "requires")]
        for use in field.directives:
            _fix_argument(use)


def _fix_argument(use: Applied) -> None:
    """Federation 1 took `fields: ["id", "sku"]` and `fields: id`, too."""
    value = use.arguments.get("fields")
    if use.name not in _FIELD_SETS or type(value) is str or value is None:
        return
    parts = value if isinstance(value, list) else [value]
    use.arguments["fields"] = " ".join(one if isinstance(one, str) else print_value(one) for one in parts)


def _drop_external_on_extensions(facts: SubgraphFacts, keys: Mapping[str, list[str]]) -> None:
    """The key fields of an extension were @external by custom; this subgraph knows them all the same.

    An extension without a key of its own takes those of the definition.
    """
    for owner in facts.types.values():
        if not owner.is_extension or owner.kind != "OBJECT":
            continue
        for text in keys_of(owner) or keys.get(owner.name, ()):
            for name, field in targets(facts, owner.name, text):
                if name != owner.name:
                    continue
                known = owner.fields[field]
                known.directives = [one for one in known.directives if one.name != "external"]


def _drop_inactive(facts: SubgraphFacts, owner: TypeFacts, field: Field) -> None:
    """@requires and @provides of fields this subgraph resolves itself had no effect; nor had @provides of a scalar."""
    kept: list[Applied] = []
    for use in field.directives:
        text = use.text("fields")
        if use.name not in ("requires", "provides") or text is None:
            kept.append(use)
            continue
        parent = owner.name if use.name == "requires" else named_type(field.type)
        if use.name == "provides" and (parent not in facts.types or facts.types[parent].kind not in COMPOSITE):
            continue
        parsed = parse_field_set(text)
        if parsed.problem:
            kept.append(use)
            continue
        rest = " ".join(_active(facts, parent, parsed.selections))
        if rest:
            use.arguments["fields"] = rest
            kept.append(use)
    field.directives = kept


def _active(facts: SubgraphFacts, owner: str, selections: tuple[Selection, ...]) -> Iterator[str]:
    """Yield the printed selections that lead to an external field, and those that are wrong, to be reported later."""
    for one in selections:
        if one.on is not None:
            inner = " ".join(_active(facts, one.on or owner, one.children))
            if inner:
                yield f"...{f' on {one.on}' if one.on else ''} {{ {inner} }}"
            continue
        field = facts.field_at((owner, one.name))
        arguments = ", ".join(f"{name}: {print_value(value)}" for name, value in one.arguments)
        shown = f"{one.name}({arguments})" if arguments else one.name
        if field is not None and field.has("external"):
            yield f"{shown} {{ {_print(one.children)} }}" if one.children else shown
        elif field is None and one.name != "__typename":
            yield shown
        elif field is not None and one.children:
            inner = " ".join(_active(facts, named_type(field.type), one.children))
            if inner:
                yield f"{shown} {{ {inner} }}"


def _print(selections: tuple[Selection, ...]) -> str:
    shown: list[str] = []
    for one in selections:
        arguments = ", ".join(f"{name}: {print_value(value)}" for name, value in one.arguments)
        head = one.name if one.on is None else f"...{f' on {one.on}' if one.on else ''}"
        head += f"({arguments})" if arguments else ""
        shown.append(f"{head} {{ {_print(one.children)} }}" if one.children else head)
    return " ".join(shown)


def _make_definition(owner: TypeFacts) -> None:
    """In Federation 2 an extension says nothing that a definition does not; @extends stays, to be printed."""
    owner.has_definition, owner.has_extension = True, False
    for part in (*owner.directives, *owner.fields.values()):
        part.block = 0


def _drop_unused_external(facts: SubgraphFacts, report: Report) -> None:
    used: set[tuple[str, str]] = set()
    for owner in facts.types.values():
        for text in keys_of(owner):
            used.update(targets(facts, owner.name, text))
        for field in owner.fields.values():
            if owner.kind == "INTERFACE":
                used.update((one.name, field.name) for one in facts.implementations(owner.name))
            for use in field.directives:
                if use.name in ("requires", "provides"):
                    parent = owner.name if use.name == "requires" else named_type(field.type)
                    used.update(targets(facts, parent, use.text("fields") or ""))
    for owner in list(facts.types.values()):
        external = {field.name for field in owner.fields.values() if field.has("external")}
        if not external:
            continue
        owner.fields = {
            name: field for name, field in owner.fields.items() if name not in external or (owner.name, name) in used
        }
        if not owner.fields:
            _drop_emptied(facts, owner, report)


def _drop_repeated_tags(facts: SubgraphFacts, subgraphs: list[SubgraphFacts]) -> None:
    """A @tag on an external field that the resolving subgraph gives, too, says nothing new."""
    for owner, field in facts.marked_fields():
        if not field.has("external") or not field.has("tag"):
            continue
        others = [one.field_at((owner.name, field.name)) for one in subgraphs if one is not facts]
        tags = [use.arguments for one in others if one and not one.has("external") for use in one.applied("tag")]
        field.directives = [one for one in field.directives if one.name != "tag" or one.arguments not in tags]


def _drop_emptied(facts: SubgraphFacts, owner: TypeFacts, report: Report) -> None:
    """TYPE_WITH_ONLY_UNUSED_EXTERNAL: a type of nothing but unused external fields goes, unless it is referred to."""
    references = {named_type(field.type) for one in facts.types.values() for field in one.fields.values()}
    members = {member for one in facts.types.values() for member in one.members}
    if owner.name in references | members:
        message = (
            f'[{facts.name}] All fields of "{owner.name}" are @external and unused, yet the type is referred to: '
            f"give it a field that this subgraph resolves, or a key."
        )
        report.error("TYPE_WITH_ONLY_UNUSED_EXTERNAL", message, at=[owner.location])
    else:
        del facts.types[owner.name]
