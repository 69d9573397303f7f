"""Random supergraphs with interfaces, unions, interface objects, @provides and deep @requires against the monolith."""

import random
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import Unplannable
from router.execution.defer import execute_in_pieces
from router.execution.prepared import Graph
from router.supergraph.model import Kind, Supergraph
from tests.router.planning.test_random import check
from tests.router.planning.world import Row, World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
NAMES = ("s1", "s2", "s3", "s4")
TYPES = ("A", "B", "C")


class Abstract:
    """A random world. Every abstract field has one subgraph, and points only at what that subgraph knows."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        dice = self.dice
        self.names = NAMES[: dice.randint(2, 4)]
        self.types = TYPES[: dice.randint(2, 3)]
        self.homes = {one: sorted(dice.sample(self.names, dice.randint(1, len(self.names)))) for one in self.types}
        self.full = dice.choice(self.names)  # knows all types: the interface's own home
        for one in self.types:
            self.homes[one] = sorted({*self.homes[one], self.full})
        rest = [name for name in self.names if all(name not in homes for homes in self.homes.values())]
        self.object = rest[0] if rest and dice.random() < 0.8 else None  # knows I as an interface object
        self.bodies = {(name, one): {"id": "ID!"} for one in self.types for name in self.homes[one]}
        self.plain: dict[str, list[str]] = {one: ["id"] for one in self.types}
        self.computed: dict[str, dict[str, tuple[str, ...]]] = {one: {} for one in self.types}
        self.links: dict[str, dict[str, tuple[str, str]]] = {one: {} for one in self.types}
        self.common = dice.random() < 0.6
        for one in self.types:
            self._plain(one)
        for one in self.types:
            self._links(one)
        for one in self.types:
            self._computed(one)

    def _plain(self, one: str) -> None:
        dice = self.dice
        for field in [*(["c"] if self.common else []), *(f"f{one}{n}" for n in range(dice.randint(1, 3)))]:
            owners = dice.sample(self.homes[one], dice.randint(1, len(self.homes[one])))
            if dice.random() < 0.6:
                owners = owners[:1]
            for name in owners:
                self.bodies[name, one][field] = "Int @shareable"
            self.plain[one].append(field)

    def _links(self, one: str) -> None:
        dice = self.dice
        for number in range(dice.randint(1, 2)):
            name = dice.choice(self.homes[one])
            known = [other for other in self.types if (name, other) in self.bodies]
            target = dice.choice([*known, "I", "U"])
            wrap = dice.choice(("{}", "[{}!]"))
            provides = ""
            if target in known:
                others = [f for f in self.plain[target] if f not in self.bodies[name, target]]
                if others and dice.random() < 0.4:
                    field = dice.choice(others)
                    self.bodies[name, target][field] = "Int @external"
                    provides = f' @provides(fields: "{field}")'
            self.links[one][f"l{one}{number}"] = (target, name)
            self.bodies[name, one][f"l{one}{number}"] = wrap.format(target) + provides

    def _computed(self, one: str) -> None:
        dice = self.dice
        for name in self.homes[one]:
            mine = self.bodies[name, one]
            if dice.random() < 0.4:
                field = dice.choice(self.plain[one][1:])
                if field not in mine:
                    mine[field] = "Int @external"
                    mine[f"r{one}{name}"] = f'Int @requires(fields: "{field}")'
                    self.computed[one][f"r{one}{name}"] = (field,)
            for link, (target, _) in self.links[one].items():
                if target not in self.types or link in mine or (name, target) not in self.bodies or dice.random() < 0.5:
                    continue
                other = next(
                    text for (_, t), body in self.bodies.items() if t == one for f, text in body.items() if f == link
                )
                field = dice.choice(self.plain[target])
                if field not in self.bodies[name, target]:
                    self.bodies[name, target][field] = "Int @external"
                mine[link] = other.partition(" ")[0] + " @external"
                mine[f"d{one}{name}"] = f'Int @requires(fields: "{link} {{ {field} }}")'
                self.computed[one][f"d{one}{name}"] = (link, field)

    def sdl(self, name: str) -> str:
        """Print one subgraph."""
        mine = [one for one in self.types if (name, one) in self.bodies]
        roots = [f"all{one}: [{one}!]" for one in mine if self.homes[one][0] == name]
        texts: list[str] = []
        for one in mine:
            body = " ".join(f"{field}: {text}" for field, text in self.bodies[name, one].items())
            texts.append(f'type {one} implements I @key(fields: "id") {{ {body} }}')
        if mine:
            key = ' @key(fields: "id")' if name == self.full else ""
            has = all("c" in self.bodies[name, one] and "external" not in self.bodies[name, one]["c"] for one in mine)
            texts.append(f"interface I{key} {{ id: ID! {'c: Int' if has else ''} }} union U = {' | '.join(mine)}")
        if name == self.full:
            roots += ["every: [I!]", "some: [U!]"]
        if name == self.object:
            texts.append('type I @key(fields: "id") @interfaceObject { id: ID! x: Int y: Int }')
            roots.append("seen: [I!]")
        return " ".join([*texts, f"type Query {{ {' '.join(roots) or f'only{name}: Int'} }}"])

    def world(self) -> World:
        """Make the world."""
        rows: dict[str, list[Row]] = {
            one: [{"__typename": one, "id": f"{one}{n}"} for n in range(2)] for one in self.types
        }
        for one in self.types:
            for row in rows[one]:
                self._fill(one, row, rows)
        everyone = [row for several in rows.values() for row in several]
        roots: dict[str, Any] = {f"all{one}": rows[one] for one in self.types}
        roots |= {"every": everyone, "some": everyone, "seen": everyone, **{f"only{name}": 1 for name in self.names}}
        return World({name: self.sdl(name) for name in self.names}, rows, roots)

    def _fill(self, one: str, row: Row, rows: dict[str, list[Row]]) -> None:
        dice = self.dice
        row["x"], row["y"] = dice.choice((None, 7)), 8
        for field in self.plain[one][1:]:
            row[field] = dice.choice((None, 1, 2, 3))
        for link, (target, name) in self.links[one].items():
            known = [target] if target in self.types else [t for t in self.types if (name, t) in self.bodies]
            found = [row for t in known for row in rows[t]]
            is_list = self.bodies[name, one][link].startswith("[")
            row[link] = dice.sample(found, 2) if is_list else dice.choice([*found, None])
        for field, path in self.computed[one].items():
            row[field] = lambda seen, _, path=path: _computed(seen, path)

    def query(self) -> str:
        """Write a query."""
        dice = self.dice
        roots = [(f"all{one}", one) for one in self.types] + [("every", "I"), ("some", "U")]
        roots += [("seen", "I")] if self.object else []
        chosen = dice.sample(roots, dice.randint(1, 2))
        return "{ " + " ".join(f"{name} {self._selection(one, 2)}" for name, one in chosen) + " }"

    def _selection(self, one: str, depth: int) -> str:
        dice = self.dice
        if one in ("I", "U"):
            parts = ["__typename"] if dice.random() < 0.5 else []
            if one == "I":
                parts += [
                    f for f in ("id", *(("c",) if self.common and self._shows_c() else ())) if dice.random() < 0.5
                ]
                parts += [f for f in ("x", "y") if self.object and dice.random() < 0.4]
            parts += [f"... on {t} {self._selection(t, depth - 1)}" for t in self.types if dice.random() < 0.5]
            if one == "U" and dice.random() < 0.3:
                parts.append(f"... on I {self._selection('I', depth - 1)}")
            return "{ " + " ".join(parts or ["__typename"]) + " }"
        fields = [*self.plain[one], *self.computed[one], *(("x", "y") if self.object else ())]
        parts = [name for name in fields if dice.random() < 0.4]
        parts = [f"z{name}: {name}" if dice.random() < 0.1 else name for name in parts]
        for link, (target, _) in self.links[one].items():
            if depth > 0 and dice.random() < 0.7:
                parts.append(f"{link} {self._selection(target, depth - 1)}")
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def _shows_c(self) -> bool:
        return any("c: Int" in self.sdl(name).partition("interface I")[2] for name in self.names)


def _computed(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if isinstance(value, list):
            value = [None if one is None else one[key] for one in value]
        else:
            value = None if value is None else value[key]
    if isinstance(value, list):
        return sum(one if isinstance(one, int) else len(str(one)) for one in value)
    return value if isinstance(value, int) else None if value is None else len(value) * 100


def made(seed: int) -> tuple[World, str] | None:
    """Return a random world that composes and a query; None where composition refuses it."""
    one = Abstract(seed)
    try:
        world = one.world()
    except AssertionError:
        return None
    return world, one.query()


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9))
async def test_the_answer_is_the_monoliths(seed: int) -> None:
    found = made(seed)
    if found is None:
        return
    world, query = found

    try:
        answer = await world.ask(query)
    except Unplannable as error:
        raise AssertionError(f"{query}: {error.message}") from error

    assert answer.errors == []
    assert answer.data == world.truth(query), query
    check(world.prepare(query).compiled.plan)


def narrowed(supergraph: Supergraph, dice: random.Random) -> Supergraph:
    """Return a supergraph in which each shared field has one resolver, chosen by lot."""
    types = dict(supergraph.types)
    for name, one in types.items():
        fields = dict(one.fields)
        for field in fields.values():
            able = [number for number, source in field.sources.items() if not source.external]
            if one.kind is Kind.OBJECT and len(able) > 1 and field.name != "id":
                lost = set(able) - {dice.choice(able)}
                sources = {n: replace(s, external=s.external or n in lost) for n, s in field.sources.items()}
                fields[field.name] = replace(field, sources=sources)
        types[name] = replace(one, fields=fields)
    return replace(supergraph, types=types)


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9))
def test_no_other_choice_of_resolvers_needs_fewer_fetches(seed: int) -> None:
    """I7: what any fixed choice of one resolver for each field costs, the planner's own choice never exceeds."""
    found = made(seed)
    if found is None:
        return
    world, query = found
    plan = world.prepare(query).compiled.plan
    dice = random.Random(seed)

    for _ in range(4):
        other = Graph(narrowed(world.graph.supergraph, dice))
        try:
            fixed = other.prepare(query).compiled.plan
        except Unplannable:
            continue
        assert not plan.is_optimal or len(plan.fetches) <= len(fixed.fetches), query


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9))
async def test_deferred_pieces_put_together_are_the_whole_answer(seed: int) -> None:
    found = made(seed)
    if found is None:
        return
    world, query = found
    dice = random.Random(seed)
    query = re.sub(r"(\.\.\. on \w+) ", lambda one: one[1] + dice.choice((" ", " @defer ")), query)
    lists = "|".join(_lists(world))
    query = re.sub(rf"\b({lists}) {{", lambda one: one[1] + dice.choice((" {", " @stream(initialCount: 1) {")), query)

    pieces = [one async for one in execute_in_pieces(world.prepare(query), None, world.send, PATIENCE_S)]

    paths: dict[str, list[Any]] = {}
    done: list[str] = []
    for piece in pieces:
        paths |= {one["id"]: one["path"] for one in piece.get("pending", ())}
        for one in piece.get("incremental", ()):
            at = pieces[0]["data"]
            for key in (*paths[one["id"]], *one.get("subPath", ())):
                at = at[key]
            if "items" in one:
                at.extend(one["items"])
                continue
            assert not set(at) & set(one["data"]), "a field came twice"
            at.update(one["data"])
        done += [one["id"] for one in piece.get("completed", ())]
    assert sorted(done) == sorted(paths)
    assert pieces[0]["data"] == world.truth(re.sub(r"@defer|@stream\(\w+: 1\)", "", query)), query


def _lists(world: World) -> list[str]:
    """Return the fields that are lists, wherever they are."""
    types = world.graph.supergraph.types.values()
    fields = [field for one in types for field in one.fields.values()]
    scalars = {field.name for field in fields if not field.type.startswith("[")}
    return sorted({field.name for field in fields if field.type.startswith("[")} - scalars)
