"""What every test may use: one event loop backend, real PostgreSQL and NATS, modules that run."""

import pytest

pytest_plugins = ["tests.services", "tests.modules"]


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run async tests on asyncio with uvloop, as every process of the platform does."""
    return "asyncio", {"use_uvloop": True}
