"""`mewayz events tail --no-follow`: all that lies on the stream, however slowly it comes."""

from typing import Any

import pytest
from nats.aio.subscription import Subscription
from nats.errors import TimeoutError as Silence

from mewayz.events_tail import tail
from mewayz.servers.streams import connect
from shared.clock import SystemClock, new_id
from tests.services import NatsServer
from tests.waiting import jetstream

pytestmark = pytest.mark.anyio


async def test_a_second_of_silence_is_not_the_end(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a busy machine nothing was printed, as if there were no such events"""
    subject, silences, listen = f"evt.{new_id(SystemClock().now())}.order.placed", iter([True]), Subscription.next_msg
    async with await connect(nats_server.admin_url) as client:
        for body in (b"1", b"2"):
            await jetstream(client).publish(subject, body)

    async def next_msg(*given: Any, **options: Any) -> Any:
        if next(silences, False):
            raise Silence
        return await listen(*given, **options)

    monkeypatch.setattr(Subscription, "next_msg", next_msg)
    await tail(nats_server.admin_url, subject, 10_000, follow=False, as_json=True)

    assert capsys.readouterr().out == "1\n2\n"


async def test_where_nothing_lies_it_ends_at_once(nats_server: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    await tail(nats_server.admin_url, "evt.nobody.order.placed", 10, follow=False, as_json=True)

    assert capsys.readouterr().out == ""
