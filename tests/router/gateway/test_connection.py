"""The gateway's connection to NATS is exchanged when its user changes, and nothing that is asked or heard is lost."""

import anyio
import pytest
from anyio.abc import TaskGroup
from nats.aio.client import Client
from nats.aio.msg import Msg

from mewayz.servers.nats import gateway_user
from router.gateway.commands.connection import GATEWAY, Connection
from shared.wire.jetstream import settled
from tests.router.gateway.world import until
from tests.services import NatsServer

pytestmark = pytest.mark.anyio


async def test_another_user_gets_another_connection_before_the_first_is_left(nats_server: NatsServer) -> None:
    await nats_server.nats.allow(gateway_user())
    # The administrator may hear what the gateway may: another user, as the gateway's own with another password is one.
    logins = [nats_server.nats.credentials(GATEWAY), nats_server.nats.credentials("mewayz_admin")]
    listened: list[Client] = []
    heard: list[bytes] = []
    connection = Connection(nats_server.url, lambda: logins[0])

    async def listen(client: Client, _: TaskGroup) -> None:
        listened.append(client)

    async def note(message: Msg) -> None:
        heard.append(message.data)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.follow, listen)
        await until(lambda: connection.is_made)
        first, line = connection.client, connection.line
        async with connection.hearing("cmdres.t1.r1", note):
            del logins[0]
            await until(lambda: connection.client is not first)

            assert (first.is_connected, connection.is_made, connection.line != line) == (True, True, True)
            assert listened == [first, connection.client]
            await connection.client.publish("cmdres.t1.r1", b"1")
            await until(lambda: first.is_closed)
            await connection.client.publish("cmdres.t1.r1", b"2")
            await until(lambda: b"2" in heard)

        await connection.client.publish("cmdres.t1.r1", b"3")
        await settled(connection.client)
        tasks.cancel_scope.cancel()

    assert set(heard) == {b"1", b"2"}
    assert not connection.is_made
