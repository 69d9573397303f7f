"""A gateway whose JetStream may be slow: it gives a request two seconds, and a busy disk has needed more."""

import pytest

from tests.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all that the gateway asks of NATS waited for as long as tests wait."""
    for name in (
        "shared.wire.jetstream._TIMEOUT_S",
        "router.gateway.commands.backlog._TIMEOUT_S",
        "router.gateway.commands.results._PAGE_S",
    ):
        monkeypatch.setattr(name, PATIENCE_S)
