"""CRM as the module under test of the kit."""

import pytest

from tests.modules import RunningModule, Starter


@pytest.fixture(scope="session")
async def crm(start_module: Starter) -> RunningModule:
    """CRM, running."""
    return await start_module("crm")
