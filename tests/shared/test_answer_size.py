"""An answer that is too large is refused by the module that would give it, and nobody takes the module for broken (threat 22)."""

import time
from typing import Any

import msgspec
import orjson
import pytest

from shared.clock import SystemClock
from shared.hosting.endpoint import Endpoint
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.principal import Principal
from shared.wire.token import SigningKey, sign_internal
from tests.modules import RunningModule
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
_KEY = SigningKey.generate()


async def asked(crm: RunningModule, who: Principal, query: str) -> Any:
    """Return what the module's endpoint answers to the router."""
    names = ("database_url", "relay_url", "nats_url", "nats_user", "nats_password")
    told = msgspec.convert({**dict.fromkeys(names, ""), "module": "crm", "router_keys": {}}, ModuleBootstrap)
    endpoint = Endpoint(crm.module, crm.database, SystemClock(), {_KEY.kid: _KEY.public}, told, {})
    body = orjson.dumps({"query": query})
    sent: list[Any] = []
    ends = time.time() + PATIENCE_S
    token = sign_internal(_KEY, who, audience="crm", body=body, deadline=ends, via="router", clock=SystemClock())
    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint(scope, receive, send)
    return sent[0]["status"], orjson.loads(sent[1]["body"])


async def test_what_would_be_too_large_is_told_as_such(crm: RunningModule) -> None:
    ada = await crm.new_tenant()
    for number in range(10):
        await crm.command(ada, "registerCustomer", "customer { id }", name=f"{number}" * 200, currency="CNY")
    many = " ".join(f"a{number}: name" for number in range(2500))

    refused = await asked(crm, ada, f"{{ customers {{ nodes {{ {many} }} }} }}")
    given = await asked(crm, ada, f"{{ customers(first: 1) {{ nodes {{ {many} }} }} }}")

    assert refused[0] == 200
    assert [error["extensions"]["code"] for error in refused[1]["errors"]] == ["ANSWER_TOO_LARGE"]
    assert "data" not in refused[1]
    assert given[1]["data"]
