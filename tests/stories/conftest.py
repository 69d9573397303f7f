"""One running platform for all stories, and the common fixture F0 (stories.md)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services import Platform
from tests.stories.world import CLOCK, F0, World
from tests.waiting import set_clock


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories share one platform, so one worker runs them all; they may take longer than other tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("stories"))
            item.add_marker(pytest.mark.timeout(120, func_only=True))  # the platform's start has a limit of its own


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The platform with the tenants `lumen` and `harbour` and the least demo data."""
    data = tmp_path_factory.mktemp("stories")
    set_clock(data / CLOCK, 0)
    platform = Platform(data, "--demo-scale", "0", "--clock", f"file:{data / CLOCK}", demo=True)
    platform.start(timeout_s=150)
    yield World(platform)
    assert platform.stop() == 0


@pytest.fixture
def lumen(world: World) -> F0:
    """F0 in tenant lumen: a new customer, salesperson and commission plan for this test."""
    return F0(world, "lumen", "CNY")


@pytest.fixture
def harbour(world: World) -> F0:
    """The same in tenant harbour."""
    return F0(world, "harbour", "HKD")


def pytest_make_parametrize_id(config: Any, val: Any, argname: str) -> str | None:
    """Name the cases of a story by what they say."""
    return val if isinstance(val, str) else None
