"""Random supergraphs, random data, random queries: the answer is the monolith's, and the invariants hold."""

import random
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import Unplannable
from router.planning.normalize import Normalizer
from router.planning.plan import QueryPlan
from tests.router.planning.brute import Brute
from tests.router.planning.world import Row, World

pytestmark = pytest.mark.anyio
TYPES = ("A", "B", "C", "D")
NAMES = ("s1", "s2", "s3", "s4")


class Random:
    """A random world: entities over up to four subgraphs, shared and required fields, an interface.

    `shared` is the share of the fields that more than one subgraph gives.
    """

    def __init__(self, seed: int, *, shared: float = 0.2) -> None:
        self.dice = random.Random(seed)
        self.shared = shared
        dice = self.dice
        self.names = NAMES[: dice.randint(1, 4)]
        self.types = TYPES[: dice.randint(1, 4)]
        self.homes = {one: sorted(dice.sample(self.names, dice.randint(1, len(self.names)))) for one in self.types}
        self.fields: dict[str, list[str]] = {one: ["id"] for one in self.types}
        self.links: dict[str, dict[str, str]] = {one: {} for one in self.types}
        self.bodies: dict[tuple[str, str], list[str]] = {
            (name, one): ["id: ID!"] for one in self.types for name in self.homes[one]
        }
        self.computed: dict[tuple[str, str], str] = {}
        for one in self.types:
            self._add_fields(one)
        self.abstract = dice.random() < 0.6

    def _add_fields(self, one: str) -> None:
        dice = self.dice
        for number in range(dice.randint(1, 4)):
            field, homes = f"f{number}", self.homes[one]
            several = sorted(dice.sample(homes, dice.randint(1, len(homes)))) if self.shared > 0.2 else homes
            owners = several if dice.random() < self.shared else [dice.choice(homes)]
            for name in owners:
                self.bodies[name, one].append(f"{field}: Int{' @shareable' if len(owners) > 1 else ''}")
            self.fields[one].append(field)
            others = [name for name in homes if name not in owners]
            if others and dice.random() < 0.4:
                name = dice.choice(others)
                self.bodies[name, one] += [f"{field}: Int @external", f'r{number}: Int @requires(fields: "{field}")']
                self.fields[one].append(f"r{number}")
                self.computed[one, f"r{number}"] = field
        for number in range(dice.randint(0, 2)):
            name = dice.choice(self.homes[one])
            other = dice.choice(self.types)
            wrap = dice.choice(("{}", "[{}]", "[{}!]"))
            if (name, other) not in self.bodies:
                self.bodies[name, other] = ["id: ID!"]
                self.homes[other] = sorted({*self.homes[other], name})
            self.links[one][f"l{one}{number}"] = other if wrap == "{}" else f"[{other}]"
            self.bodies[name, one].append(f"l{one}{number}: {wrap.format(other)}")

    def world(self, *, is_reversed: bool = False) -> World:
        """Make the world; `is_reversed` gives the subgraphs names that sort the other way round."""
        dice = self.dice
        sdl: dict[str, str] = {}
        home = {one: dice.choice(self.homes[one]) for one in self.types}
        for name in self.names:
            mine = [one for one in self.types if (name, one) in self.bodies]
            marks = " implements N" if self.abstract else ""
            texts = [f'type {one}{marks} @key(fields: "id") {{ {" ".join(self.bodies[name, one])} }}' for one in mine]
            roots = [f"all{one}: [{one}!]" for one in self.types if home[one] == name]
            if self.abstract and len(mine) == len(self.types):
                roots.append("nodes: [N] @shareable")
            if self.abstract and mine:
                texts.append("interface N { id: ID! }")
            texts.append(f"type Query {{ {' '.join(roots) or f'only{name}: Int'} }}")
            sdl[f"z{9 - int(name[1:])}" if is_reversed else name] = " ".join(texts)
        rows: dict[str, list[Row]] = {
            one: [{"__typename": one, "id": f"{one}{n}"} for n in range(3)] for one in self.types
        }
        for one in self.types:
            for row in rows[one]:
                self._fill(one, row, rows)
        roots_: dict[str, Any] = {f"all{one}": rows[one] for one in self.types}
        everyone = [row for one in self.types for row in rows[one]]
        return World(sdl, rows, {**roots_, "nodes": everyone, **{f"only{name}": 1 for name in self.names}})

    def _fill(self, one: str, row: Row, rows: dict[str, list[Row]]) -> None:
        for field in self.fields[one]:
            if field.startswith("f"):
                row[field] = self.dice.choice((None, 1, 2, 3))
            elif field.startswith("r"):
                source = self.computed[one, field]
                row[field] = lambda seen, _, source=source: None if seen[source] is None else seen[source] * 100
        for field, other in self.links[one].items():
            targets = rows[other.strip("[]")]
            row[field] = self.dice.choice(targets) if "[" not in other else self.dice.sample(targets, 2)

    def query(self, world: World) -> str:
        roots = [name for name in world.graph.schema.query_type.fields if not name.startswith("only")]  # pyright: ignore
        chosen = self.dice.sample(roots, min(len(roots), self.dice.randint(1, 3)))
        return "{ " + " ".join(f"{name} {self._selection(self._type(name), 3)}" for name in chosen) + " }"

    def _type(self, root: str) -> str:
        return "N" if root == "nodes" else root.removeprefix("all")

    def _selection(self, one: str, depth: int) -> str:
        dice = self.dice
        if one == "N":
            parts = [f"... on {name} {self._selection(name, depth - 1)}" for name in self.types if dice.random() < 0.7]
            return "{ __typename id " + " ".join(parts) + " }"
        parts = [name for name in self.fields[one] if dice.random() < 0.5]
        parts = [f"x{name}: {name}" if dice.random() < 0.1 else name for name in parts]
        for field, other in self.links[one].items():
            if depth > 0 and dice.random() < 0.6:
                parts.append(f"{field} {self._selection(other.strip('[]'), depth - 1)}")
        return "{ " + " ".join(parts or ["__typename"]) + " }"


def check(plan: QueryPlan) -> None:
    """Assert what holds for every plan: ids in order, acyclic, levels that follow from needs."""
    for fetch in plan.fetches:
        assert all(need < fetch.id for need in fetch.needs)
        assert all(plan.fetches[need].level < fetch.level for need in fetch.needs)
        assert fetch.selection


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9))
async def test_the_answer_is_the_monoliths(seed: int) -> None:
    made = Random(seed)
    world = made.world()
    query = made.query(world)

    try:
        answer = await world.ask(query)
    except Unplannable as error:
        raise AssertionError(f"{query}: {error.message}") from error

    assert answer.errors == []
    assert answer.data == world.truth(query), query
    check(world.prepare(query).compiled.plan)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9), shared=st.sampled_from((0.2, 0.5, 0.9)))
def test_the_number_of_fetches_is_the_optimum(seed: int, shared: float) -> None:
    """I7: as many fetches as the best of all ways, wherever the search was finished."""
    made = Random(seed, shared=shared)
    world = made.world()
    query = made.query(world)
    plan = world.prepare(query).compiled.plan
    operation = next(iter(parse(query).definitions))
    assert isinstance(operation, OperationDefinitionNode)
    best = Brute(world.graph.reach).operation(Normalizer(world.graph.reach, {}, {}).operation(operation, "Query"))

    assert plan.is_optimal
    assert len(plan.fetches) == best, query


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9))
async def test_a_redundant_fragment_and_other_aliases_change_no_fetch(seed: int) -> None:
    made = Random(seed)
    world = made.world()
    query = made.query(world)
    doubled = "{ ... on Query " + query + " ... on Query " + query + " }"

    assert len(world.prepare(doubled).compiled.plan.fetches) == len(world.prepare(query).compiled.plan.fetches)
    assert (await world.ask(doubled)).data == (await world.ask(query)).data


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9))
async def test_the_order_of_the_subgraphs_changes_no_fetch_count_and_no_answer(seed: int) -> None:
    made, other = Random(seed), Random(seed)
    world, turned = made.world(), other.world(is_reversed=True)
    query = made.query(world)

    assert len(turned.prepare(query).compiled.plan.fetches) == len(world.prepare(query).compiled.plan.fetches)
    assert (await turned.ask(query)).data == (await world.ask(query)).data
