"""`mewayz events tail`: events as they lie on the stream, the newest last, and then as they come."""

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from mewayz.servers.streams import connect
from shared.wire.envelope import Envelope
from shared.wire.jetstream import EVENTS, end_if_cancelled

_LOOK_S = 1.0
_TIMEOUT_S = 10
_decode = msgspec.json.Decoder(Envelope).decode


async def tail(url: str, subject: str, lines: int, follow: bool, as_json: bool) -> None:
    """Print the last `lines` events that match `subject`, then, with `follow`, new ones until interrupted."""
    client = await connect(url)
    try:
        await _print(client, subject, lines, follow=follow, as_json=as_json)
    finally:
        await client.close()


async def _print(client: Client, subject: str, lines: int, *, follow: bool, as_json: bool) -> None:
    stream = client.jetstream(timeout=_TIMEOUT_S)
    from_here = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=await _start(stream, lines)
    )
    subscription = await stream.subscribe(subject, stream=EVENTS, config=from_here, ordered_consumer=True)
    left = await _lie_there(subscription)
    while follow or left > 0:
        end_if_cancelled()
        try:
            message = await subscription.next_msg(timeout=_LOOK_S)
        except TimeoutError:  # silence is not the end: the machine may be busy
            continue
        left -= 1
        print(message.data.decode() if as_json else as_line(message), flush=True)


async def _start(stream: JetStreamContext, lines: int) -> int:
    """Return the message to begin with. It counts all subjects, so a filtered tail may begin with fewer lines."""
    state = (await stream.stream_info(EVENTS)).state
    return max(1, state.first_seq, state.last_seq - lines + 1)


async def _lie_there(subscription: JetStreamContext.PushSubscription) -> int:
    """Return how many messages a new subscription is to get of those that there are now."""
    info = await subscription.consumer_info()
    return (info.num_pending or 0) + (info.delivered.consumer_seq if info.delivered else 0)


def as_line(message: Msg) -> str:
    """Return a message in one line; one that is no event with its subject and size."""
    number = message.metadata.sequence.stream
    try:
        envelope = _decode(message.data)
    except msgspec.MsgspecError:
        return f"{number:>8}  {message.subject}  {len(message.data)} bytes that are no event"
    time = envelope.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{number:>8}  {time}  {envelope.type:<28} {envelope.key} #{envelope.sequence}  {envelope.tenant_id}  {envelope.id}"
