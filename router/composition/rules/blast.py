"""NONNULL_BLAST_RADIUS: where the outage of one subgraph would null an object that another one holds."""

from collections.abc import Iterator, Mapping

from router.composition.memory import Memory
from router.composition.merge.merging import Merging
from router.composition.report import HintLevel
from router.supergraph.field_set import picked
from router.supergraph.model import Field, Kind, Supergraph, Type, bits, named

_SCALARS = frozenset({"ID", "String", "Int", "Float", "Boolean"})


def hint_on_blast_radius(merging: Merging, supergraph: Supergraph, memory: Memory) -> None:
    """Hint at non-null fields that cross a subgraph's border: contributed ones, and references to foreign entities.

    A type's home is the subgraph that resolves most of its fields beside its keys.
    """
    homes = {one.name: _home(one, memory) for one in supergraph.types.values() if one.keys and one.kind is Kind.OBJECT}
    roots = frozenset(supergraph.roots.values())
    for owner in supergraph.types.values():
        if owner.kind is Kind.OBJECT and owner.name not in roots:
            for field in _crossing(owner, memory, homes):
                _check(merging, supergraph, owner, field, homes=homes)


def _crossing(owner: Type, memory: Memory, homes: Mapping[str, int | None]) -> tuple[Field, ...]:
    """Return the non-null fields that may cross a border: references, and those that the home does not have."""
    known = memory.crossing.get(owner.name)
    if known is None or known[0] is not owner:
        home = homes.get(owner.name)
        fields = [one for one in owner.fields.values() if one.type.endswith("!")]
        chosen = [
            one for one in fields if named(one.type) not in _SCALARS or (home is not None and home not in one.sources)
        ]
        known = memory.crossing[owner.name] = (owner, tuple(chosen))
    return known[1]


def _check(
    merging: Merging, supergraph: Supergraph, owner: Type, field: Field, *, homes: dict[str, int | None]
) -> None:
    home, target = homes.get(owner.name), named(field.type)
    if (home is None or home in field.sources) and target not in homes:
        return
    able = sum(1 << number for number, source in field.sources.items() if not source.external)
    at = f"{owner.name}.{field.name}"
    if home is not None and able and not able >> home & 1:
        away, kept = merging.names(bits(able)), merging.names([home])
        message = (
            f"{at} is non-null and comes from {away}: when that is down, all of {owner.name}, held by {kept}, is null."
        )
        _hint(merging, message, at)
        return
    there = homes.get(target)
    if there is None or not able or able >> there & 1 or not _nulls_parent(field.type):
        return
    if any(one.type.endswith("!") for one in _foreign(supergraph.types[target], able)):
        message = (
            f"{at} is non-null and refers to {target}, held by {merging.names([there])}: "
            f"when that is down, all of {owner.name} is null."
        )
        _hint(merging, message, at)


def _hint(merging: Merging, message: str, at: str) -> None:
    merging.hint("NONNULL_BLAST_RADIUS", HintLevel.INFO, f"{message} Make the field nullable.", at)


def _nulls_parent(reference: str) -> bool:
    """Whether a null inside goes through: `T!`, `[T!]!`, but not `[T]!`."""
    inner = reference[:-1]
    return inner[1:-1].endswith("!") if inner.startswith("[") else True


def _foreign(target: Type, able: int) -> Iterator[Field]:
    """Yield the fields that none of the referring subgraphs resolves."""
    for field in target.fields.values():
        if field.sources and not any(able >> number & 1 for number in field.sources):
            yield field


def _home(owner: Type, memory: Memory) -> int | None:
    known = memory.homes.get(owner.name)
    if known is None or known[0] is not owner:
        known = memory.homes[owner.name] = (owner, _most_fields(owner))
    return known[1]


def _most_fields(owner: Type) -> int | None:
    counts: dict[int, int] = {}
    keys = {one.name for key in owner.keys for one in picked(key.fields)}
    for field in owner.fields.values():
        if field.name not in keys:
            for number, source in field.sources.items():
                counts[number] = counts.get(number, 0) + (not source.external and not source.used_overridden)
    return max(counts, key=lambda number: (counts[number], -number), default=None)
