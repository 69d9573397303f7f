"""@external across subgraphs: what a subgraph believes of a field must be what its resolver says."""

from collections.abc import Mapping

from router.composition.facts import Argument, Field
from router.composition.merge.arguments import is_contextual
from router.composition.merge.merging import Merging, describe_types
from router.composition.report import Location
from router.composition.values import print_value
from router.supergraph import model

_MERGED_ON_EXTERNAL = frozenset(
    {"tag", "inaccessible", "authenticated", "requiresScopes", "policy", "cost", "listSize"}
)


def without_externals(merging: Merging, owner: str, sources: Mapping[int, Field]) -> dict[int, Field]:
    """Return the declarations that resolve the field; directives that merge make no sense on the others."""
    resolved: dict[int, Field] = {}
    for index, one in sources.items():
        subgraph = merging.subgraphs[index]
        if (owner, one.name) not in subgraph.external:
            resolved[index] = one
            continue
        for use in [*one.directives, *(use for argument in one.arguments.values() for use in argument.directives)]:
            if use.name in _MERGED_ON_EXTERNAL:
                message = (
                    f'[{subgraph.name}] @{use.written} on "{owner}.{one.name}" has no effect on an @external field: '
                    f"move it to the subgraph that resolves the field."
                )
                merging.report.error("MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL", message, at=[use.location])
    return resolved


def check_externals(
    merging: Merging,
    owner: str,
    sources: Mapping[int, Field],
    *,
    merged: tuple[str, bool, Mapping[str, model.Argument]],
) -> None:
    """EXTERNAL_*: an external field has the merged type (or one that fits, where resolvers differ) and arguments."""
    reference, are_equal, arguments = merged
    at = f"{owner}.{next(iter(sources.values())).name}"
    external = {i: one for i, one in sources.items() if (owner, one.name) in merging.subgraphs[i].external}
    wrong = {
        index: one
        for index, one in external.items()
        if one.type != reference and (are_equal or not merging.is_subtype(one.type, reference))
    }
    if wrong:
        told = describe_types(merging, {index: one.type for index, one in sources.items()})
        message = (
            f"{at} is @external in {merging.names(wrong)} with another type: it is {told}. Correct the external one."
        )
        merging.error("EXTERNAL_TYPE_MISMATCH", message, sources.values())
    for argument in arguments.values():
        _check_argument(merging, at, external, argument, places=merging.sides(f"{at}({argument.name}:)", sources))


def _check_argument(
    merging: Merging, at: str, external: Mapping[int, Field], merged: model.Argument, *, places: list[Location]
) -> None:
    where = f"{at}({merged.name}:)"
    missing = [index for index, one in external.items() if merged.name not in one.arguments]
    if missing:
        message = f"{where} is missing where {at} is @external, in {merging.names(missing)}: add the argument there."
        merging.report.error("EXTERNAL_ARGUMENT_MISSING", message, at=places)
    given: dict[int, Argument] = {
        index: one.arguments[merged.name]
        for index, one in external.items()
        if merged.name in one.arguments and not is_contextual(one.arguments[merged.name])
    }
    differing = [
        i for i, one in given.items() if one.type != merged.type and not merging.is_subtype(merged.type, one.type)
    ]
    if differing:
        message = (
            f'{where} is "{merged.type}", but not where {at} is @external, in {merging.names(differing)}: correct it.'
        )
        merging.report.error("EXTERNAL_ARGUMENT_TYPE_MISMATCH", message, at=places)
    defaults = {index: print_value(one.default) if one.has_default else None for index, one in given.items()}
    differing = [index for index, text in defaults.items() if text != merged.default]
    if differing:
        told = f"the default {merged.default}" if merged.default is not None else "no default"
        message = f"{where} has {told}, but not where {at} is @external, in {merging.names(differing)}: correct it."
        merging.report.error("EXTERNAL_ARGUMENT_DEFAULT_MISMATCH", message, at=places)
