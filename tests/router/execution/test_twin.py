"""The generated code against its interpreting twin: over random worlds, with values missing at random."""

import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.execution.run import execute
from tests.router.execution.twin import interpret
from tests.router.planning.test_contexts import shops
from tests.router.planning.test_random import Random
from tests.router.planning.test_random_abstract import made
from tests.router.planning.test_worlds import CASES
from tests.router.planning.world import World
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
quietly = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def forgetful(world: World, lost: set[tuple[str, str]]) -> Any:
    """Return a `send` whose subgraphs answer null for some fields, by (subgraph, key in the answer)."""

    async def send(subgraph: str, body: bytes, seconds: float) -> bytes:
        answer = orjson.loads(await world.send(subgraph, body, seconds))
        assert "errors" not in answer, answer
        return orjson.dumps({"data": _without(answer["data"], subgraph, lost)})

    return send


def _without(value: Any, subgraph: str, lost: set[tuple[str, str]]) -> Any:
    if isinstance(value, list):
        return [_without(one, subgraph, lost) for one in value]
    if isinstance(value, dict):
        return {
            key: None if (subgraph, key) in lost else _without(one, subgraph, lost) for key, one in value.items()
        }  # fmt: skip
    return value


async def same(world: World, query: str, lost: set[tuple[str, str]], variables: dict[str, Any] | None = None) -> None:
    """Assert that both give the same data."""
    prepared = world.prepare(query, variables)
    send = forgetful(world, lost)
    answer = await execute(prepared, variables, send, PATIENCE_S)

    assert answer.data == await interpret(prepared, variables, send), query


@quietly
@given(seed=st.integers(0, 10**9))
async def test_over_plain_worlds(seed: int) -> None:
    one = Random(seed, shared=0.5)
    world = one.world()
    query = one.query(world)
    dice = random.Random(seed)
    keys = [f"f{n}" for n in range(4)] + [f"l{t}{n}" for t in "ABCD" for n in range(2)]

    await same(world, query, set())
    await same(world, query, {(dice.choice(one.names), key) for key in dice.sample(keys, 3)})


@quietly
@given(seed=st.integers(0, 10**9))
async def test_over_abstract_worlds(seed: int) -> None:
    found = made(seed)
    if found is None:
        return
    world, query = found
    dice = random.Random(seed)
    keys = [f"{kind}{t}{n}" for kind in "fl" for t in "ABC" for n in range(3)] + ["x", "c", "_k0", "_k1", "_k2"]

    await same(world, query, set())
    await same(world, query, {(name, key) for name in world.subgraphs for key in dice.sample(keys, 3)})


@pytest.mark.parametrize(
    ("world", "query"), [(world, query) for _, world, query, _ in CASES], ids=[f"{c[0]} {c[2]}" for c in CASES]
)
async def test_over_each_feature(world: Callable[[], World], query: str) -> None:
    await same(world(), query, set())


@pytest.mark.parametrize(
    "query",
    [
        "{ shops { articles { price weight } branch { best { price } } } }",
        "{ shops { shelf { articles { price weight } } } shop { branch { shelf { articles { price } } } } }",
    ],
)
async def test_over_contexts(query: str) -> None:
    await same(shops(), query, set())
    await same(shops(), query, {("money", "currency")})
    await same(shops(), query, {("goods", "best"), ("money", "_k0"), ("money", "_k1")})
