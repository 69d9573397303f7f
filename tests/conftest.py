"""What every test may use: one event loop backend. The real PostgreSQL and NATS come from tests/services.py."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run async tests on asyncio with uvloop, as every process of the platform does."""
    return "asyncio", {"use_uvloop": True}
