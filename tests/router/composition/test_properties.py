"""What holds for every set of subgraphs."""

from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from router.composition import Composition, Subgraph, compose
from router.composition.compose import Composer
from router.supergraph.model import Kind, Supergraph
from router.supergraph.sdl import parse_supergraph
from tests.router.composition.generated import broken_set, random_set

SEEDS = st.integers(0, 10**6)
FEW = settings(max_examples=25, deadline=None)


@given(SEEDS)
@FEW
def test_the_order_of_subgraphs_never_changes_the_result(seed: int) -> None:
    subgraphs = random_set(seed)

    assert compose(Random(seed).sample(subgraphs, len(subgraphs))) == compose(subgraphs)


@given(SEEDS)
@FEW
def test_what_is_composed_reads_back_as_the_same_model(seed: int) -> None:
    made = compose(random_set(seed))

    assert made.sdl is None or parse_supergraph(made.sdl) == made.supergraph


EDITS: list[Callable[[Random, list[Subgraph]], list[Subgraph]]] = [
    lambda random, given: given[:-1] if len(given) > 1 else given,
    lambda random, given: [*given, Subgraph("zz", "http://zz", "type Query { zz: Int }")],
    lambda random, given: _change(random, given, "Int", "String"),
    lambda random, given: _change(random, given, "@shareable", ""),
    lambda random, given: _change(random, given, "id: ID!", "id: ID! added: Int"),
    lambda random, given: _change(random, given, '@key(fields: "id")', ""),
    lambda random, given: _change(random, given, "@external", ""),
    lambda random, given: _change(random, given, "amount: Int", 'amount: Int @tag(name: "new")'),
    lambda random, given: _change(random, given, "implements Node", ""),
    lambda random, given: _change(random, given, "union Any0 = Any0a", "union Any0 = Any0a | Any0a"),
    lambda random, given: _change(random, given, "enum Enum0 { A", "enum Enum0 { A D"),
    lambda random, given: _change(random, given, "title: String", "title: String @inaccessible"),
    lambda random, given: given,
]


def _change(random: Random, given: list[Subgraph], old: str, new: str) -> list[Subgraph]:
    chosen = random.randrange(len(given))
    return [
        Subgraph(one.name, one.url, one.sdl.replace(old, new)) if number == chosen else one
        for number, one in enumerate(given)
    ]


@given(SEEDS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_composing_again_after_changes_gives_the_same_as_from_cold(seed: int, is_broken: bool) -> None:
    random, composer = Random(seed), Composer()
    original = broken_set(seed)[1] if is_broken else random_set(seed)
    subgraphs = original

    for _ in range(6):
        assert composer.compose(subgraphs) == compose(subgraphs)
        subgraphs = random.choice(EDITS)(random, random.choice((subgraphs, original)))


@given(SEEDS)
@FEW
def test_nothing_in_an_sdl_makes_composition_raise(seed: int) -> None:
    random = Random(seed)
    subgraphs = [Subgraph(one.name, one.url, _garbled(random, one.sdl)) for one in random_set(seed)]

    compose(subgraphs)


def _garbled(random: Random, sdl: str) -> str:
    words = sdl.split(" ")
    for _ in range(random.randint(1, 6)):
        action, at = random.randrange(3), random.randrange(len(words))
        if action == 0:
            words.insert(at, random.choice(("{", "}", "!", "@key", "[", '"', "type", "extend", "$x", "= {a: 1}", "é")))
        elif action == 1:
            words[at] = random.choice(words)
        else:
            del words[at]
    return " ".join(words)


@given(SEEDS, st.integers(1, 4))
@FEW
def test_a_monolith_split_into_subgraphs_composes_back_to_it(seed: int, count: int) -> None:
    random = Random(seed)
    types = {f"T{number}": [f"f{number}_{field}" for field in range(4)] for number in range(4)}
    parts: list[list[str]] = [[] for _ in range(count)]
    for name, fields in types.items():
        for number in range(count):
            mine = [field for position, field in enumerate(fields) if (position + seed) % count == number]
            references = f" next: T{random.randrange(4)}" if number == 0 else ""
            body = " ".join(["id: ID!", *(f"{field}: Int" for field in mine)]) + references
            parts[number].append(f'type {name} @key(fields: "id") {{ {body} }}')
    parts[0].append("type Query { " + " ".join(f"{name.lower()}: {name}" for name in types) + " }")
    link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])'

    made = compose([Subgraph(f"s{number}", "", "\n".join([link, *part])) for number, part in enumerate(parts)])

    assert made.errors == ()
    assert made.supergraph is not None
    assert _shape(made) == {name: {"id", "next", *fields} for name, fields in types.items()}
    assert compose([Subgraph("all", "", "\n".join([link, *_merged(made.supergraph)]))]).errors == ()


def _shape(made: Composition) -> dict[str, set[str]]:
    assert made.supergraph is not None
    return {name: set(one.fields) for name, one in made.supergraph.types.items() if name != "Query"}


def _merged(supergraph: Supergraph) -> list[str]:
    """Return the supergraph's types as one subgraph would define them."""
    return [
        f"type {one.name} {{ {' '.join(f'{field.name}: {field.type}' for field in one.fields.values())} }}"
        for one in supergraph.types.values()
        if one.kind is Kind.OBJECT
    ]
