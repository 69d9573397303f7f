"""`mewayz events tail`: events as they lie on the stream, the newest last, and then as they come."""

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from mewayz.servers.streams import connect
from shared.wire.envelope import Envelope
from shared.wire.jetstream import EVENTS

_QUIET_S = 1.0
_decode = msgspec.json.Decoder(Envelope).decode


async def tail(url: str, subject: str, lines: int, follow: bool, as_json: bool) -> None:
    """Print the last `lines` events that match `subject`, then, with `follow`, new ones until interrupted."""
    client = await connect(url)
    try:
        await _print(client, subject, lines, follow=follow, as_json=as_json)
    finally:
        await client.close()


async def _print(client: Client, subject: str, lines: int, *, follow: bool, as_json: bool) -> None:
    stream = client.jetstream()
    from_here = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=await _start(client, lines)
    )
    subscription = await stream.subscribe(subject, stream=EVENTS, config=from_here, ordered_consumer=True)
    while True:
        try:
            message = await subscription.next_msg(timeout=_QUIET_S)
        except TimeoutError:
            if not follow:
                return
            continue
        print(message.data.decode() if as_json else as_line(message), flush=True)


async def _start(client: Client, lines: int) -> int:
    """Return the message to begin with. It counts all subjects, so a filtered tail may begin with fewer lines."""
    state = (await client.jetstream().stream_info(EVENTS)).state
    return max(1, state.first_seq, state.last_seq - lines + 1)


def as_line(message: Msg) -> str:
    """Return a message in one line; one that is no event with its subject and size."""
    number = message.metadata.sequence.stream
    try:
        envelope = _decode(message.data)
    except msgspec.MsgspecError:
        return f"{number:>8}  {message.subject}  {len(message.data)} bytes that are no event"
    time = envelope.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{number:>8}  {time}  {envelope.type:<28} {envelope.key} #{envelope.sequence}  {envelope.tenant_id}  {envelope.id}"
