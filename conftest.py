"""What every test may use: one event loop backend, real PostgreSQL and NATS, modules that run."""

import pytest
from hypothesis import HealthCheck, settings

# No example has to be quick: what a neighbour on the machine takes is not the code's.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest_plugins = ["tests.services", "tests.modules"]


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run async tests on asyncio with uvloop, as every process of the platform does."""
    return "asyncio", {"use_uvloop": True}
