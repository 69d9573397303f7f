"""JetStream as modules and gateway use it: connect, publish a batch, reset a consumer (events.md, A and H)."""

import asyncio
import base64
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import nats
import orjson
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

log = structlog.get_logger()

EVENTS, TENANTS, COMMANDS, RESULTS, DEAD_LETTERS = "EVENTS", "TENANTS", "COMMANDS", "CMDRES", "DLQ"
MAX_BATCH = 500
_TIMEOUT_S = 2.0
_PULL = 256
_PULL_S = 30.0
_LOOK_S = 1.0
_EXPIRED = "408"
_DUPLICATE_IN_BATCH = 10201
_WRONG_LAST_SEQUENCE = 10071
_NO_MESSAGE = 10037
_FIRST = {"Nats-Expected-Last-Subject-Sequence": "0"}
Credential = str | Callable[[], str]


class PublishFailed(Exception):
    """The stream did not take a message; nothing is known to be lost, publish again."""


class SubjectTaken(Exception):
    """The subject holds a message already."""


class StreamLost(ConnectionError):
    """Messages may be missing: the connection to NATS was made anew, or one was handed out and did not arrive."""


class Continuity:
    """Whether a consumer's messages still come one after the other.

    What was on its way when a connection broke, or when a server of a cluster died, comes again only after `ack_wait`,
    behind newer messages: whoever goes on pulling applies an aggregate's events out of order. He throws away what he has,
    resets the consumer, and begins anew.
    """

    def __init__(self, client: Client) -> None:
        """Begin now, on `client`'s connection as it is, with a consumer that was just reset: it counts from 1."""
        self._client = client
        self._reconnects = client.stats["reconnects"]
        self._next = 1

    def check(self) -> None:
        """Raise StreamLost if the connection broke since; to be asked before messages that have come are used."""
        if self._client.stats["reconnects"] != self._reconnects:
            raise StreamLost("the connection to NATS was made anew")

    def follow(self, message: Msg) -> None:
        """Raise StreamLost unless a message is the next that the consumer has handed out; to be asked before it is used."""
        number = message.metadata.sequence.consumer
        if number != self._next:
            raise StreamLost(f"message {self._next} of the consumer did not arrive, but {number}")
        self._next = number + 1


@dataclass(frozen=True, slots=True)
class Message:
    """A message with the id that the stream knows duplicates by."""

    subject: str
    id: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


async def connect(url: str, *, user: Credential, password: Credential, name: str) -> Client:
    """Connect as one module; reconnects for ever, and says so in the log. A cluster's URLs are joined by commas.

    `user` and `password` are asked at each connection where they are functions: both change while a process runs. The
    inbox prefix `_INBOX.<name>` is the only one that the module's user may subscribe to.
    """

    async def lost() -> None:
        log.warning("nats_disconnected", name=name)

    async def back() -> None:
        log.info("nats_reconnected", name=name)

    async def quiet(error: Exception) -> None:
        log.debug("nats_error", name=name, error=str(error))

    return await nats.connect(  # pyright: ignore[reportUnknownMemberType]
        url.split(","),
        user=user,
        password=password,
        name=name,
        inbox_prefix=f"_INBOX.{name}".encode(),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        disconnected_cb=lost,
        reconnected_cb=back,
        error_cb=quiet,
    )


async def settled(client: Client) -> None:
    """Return when the server has what was written before; what it says of it has come. Raises NatsError.

    nats-py sends the PING of a `flush` ahead of what still waits to be written: only the second comes behind it.
    """
    for _ in range(2):
        await client.flush()


async def publish(client: Client, message: Message) -> int:
    """Publish one message, wait until the stream has it on disk, and return its number there. Raises PublishFailed."""
    answer = await _publish_all(client, [message], {})
    if "error" in answer:
        raise PublishFailed(answer["error"].get("description"))
    return answer["seq"]


async def publish_first(client: Client, *messages: Message) -> None:
    """Publish the first messages of their subjects, all or none.

    Raises SubjectTaken where one of them has a message, or PublishFailed.
    """
    answer = await _publish_all(client, messages, _FIRST)
    if "error" not in answer:
        return
    if answer["error"].get("err_code") in (_WRONG_LAST_SEQUENCE, _DUPLICATE_IN_BATCH):
        raise SubjectTaken(", ".join(message.subject for message in messages))
    raise PublishFailed(answer["error"].get("description"))


async def last_message(client: Client, stream: str, subject: str) -> bytes | None:
    """Return the last message of a subject, which may have `*` in it, None where there is none. Raises PublishFailed.

    The stream's leader is asked. A direct get is answered by any server of a cluster, also by one that a message which was
    acknowledged a moment ago has not reached.
    """
    wanted = orjson.dumps({"last_by_subj": subject})
    answer = await _request(client, Message(f"$JS.API.STREAM.MSG.GET.{stream}", "", wanted), {})
    if "error" not in answer:
        return base64.b64decode(answer["message"].get("data", ""))
    if answer["error"].get("err_code") == _NO_MESSAGE:
        return None
    raise PublishFailed(answer["error"].get("description"))


async def publish_batch(client: Client, messages: Sequence[Message]) -> list[int]:
    """Publish up to 500 messages as one atomic batch: one fsync for all (ADR-50). Raises PublishFailed.

    Returns their numbers on the stream. A batch with a message that the stream knows already is refused whole; it is
    then sent one by one, where the stream answers "duplicate".
    """
    answer = await _publish_all(client, messages, {})
    if "error" not in answer:
        return list(range(answer["seq"] - len(messages) + 1, answer["seq"] + 1))
    if answer["error"].get("err_code") == _DUPLICATE_IN_BATCH:
        return [await publish(client, message) for message in messages]
    raise PublishFailed(answer["error"].get("description"))


async def _publish_all(client: Client, messages: Sequence[Message], headers: Mapping[str, str]) -> dict[str, Any]:
    """Publish messages, several as one atomic batch, and return the stream's last word. Raises PublishFailed."""
    last, answer = len(messages), dict[str, Any]()
    for number, message in enumerate(messages, 1):
        told = {"Nats-Msg-Id": message.id, **message.headers, **headers}
        if last > 1:
            told |= {"Nats-Batch-Id": messages[0].id, "Nats-Batch-Sequence": str(number)}
        if number not in (1, last):
            await client.publish(message.subject, message.body, headers=told)
            continue
        if number == last > 1:
            told["Nats-Batch-Commit"] = "1"
        answer = await _request(client, message, told)
        if "error" in answer:
            break
    return answer


def end_if_cancelled() -> None:
    """Raise CancelledError where this task was told to end and a library kept that to itself: to be asked in each loop.

    nats-py does when it publishes, and so does `asyncio.wait_for` (before 3.12) where the answer comes at that moment. Its
    task group would wait for such a task for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def pull(client: Client, stream: str, consumer: str, take: Callable[[Msg], Awaitable[None]]) -> None:
    """Let `take` have a durable consumer's messages as they come, one after the other, until cancelled.

    It begins with what was not acknowledged. Raises StreamLost, or PublishFailed where NATS doesn't answer.

    One request for many messages is open at a time; the next is sent when it is filled or over. The subscription ends
    with it, before the consumer is reset: the server would hand messages to a request that is still open, and whose asker
    is gone, and they would come again only after `ack_wait`, behind newer ones.
    """
    arrived: list[Msg] = []
    something = asyncio.Event()

    async def note(message: Msg) -> None:
        arrived.append(message)
        something.set()

    await _reset(client, stream, consumer)
    subscription = await client.subscribe(client.new_inbox(), cb=note)  # pyright: ignore[reportUnknownMemberType]
    continuity = Continuity(client)
    request = orjson.dumps({"batch": _PULL, "expires": int(_PULL_S * 1e9)})
    left, over_at = 0, 0.0
    try:
        while True:
            end_if_cancelled()
            if left <= 0 or time.monotonic() > over_at:
                await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", request, subscription.subject)
                left, over_at = _PULL, time.monotonic() + _PULL_S + _TIMEOUT_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await something.wait()
            something.clear()
            continuity.check()
            messages, arrived = arrived, []
            for message in messages:
                if message.reply:
                    left -= 1
                    continuity.follow(message)
                    await take(message)
                    continue
                left = 0  # a word of the server's: the request is over
                status = (message.headers or {}).get("Status")
                if status != _EXPIRED:
                    log.warning("pull_failed", consumer=consumer, stream=stream, status=status)
                    await asyncio.sleep(_LOOK_S)
    finally:
        with contextlib.suppress(NatsError):  # the connection is closed: so is the subscription
            await subscription.unsubscribe()


async def waiting(client: Client, stream: str, consumer: str) -> int:
    """Return how many messages a durable consumer has not delivered yet, or not for good. Raises PublishFailed."""
    answer = await _request(client, Message(f"$JS.API.CONSUMER.INFO.{stream}.{consumer}", "", b""), {})
    if "error" in answer:
        raise PublishFailed(answer["error"].get("description"))
    return answer["num_pending"] + answer["num_ack_pending"]


async def _reset(client: Client, stream: str, consumer: str) -> None:
    """Make a durable consumer deliver again from its ack floor: what was in flight comes first, in order (ADR-60).

    Raises PublishFailed.
    """
    answer = await _request(client, Message(f"$JS.API.CONSUMER.RESET.{stream}.{consumer}", "", b""), {})
    if "error" in answer:
        raise PublishFailed(answer["error"].get("description"))


async def ask(
    client: Client, subject: str, body: bytes, *, timeout_s: float, headers: dict[str, str] | None = None
) -> Msg:
    """Return the answer to a message. Raises nats.errors.Error, TimeoutError.

    The client's own time-out is `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes in the same
    moment as the answer or the time-out: whoever asks again and again would never end.
    """
    async with asyncio.timeout(timeout_s):
        return await client.request(subject, body, timeout=None, headers=headers)  # pyright: ignore[reportArgumentType]


async def _request(client: Client, message: Message, headers: dict[str, str]) -> dict[str, Any]:
    try:
        reply = await ask(client, message.subject, message.body, timeout_s=_TIMEOUT_S, headers=headers)
    except (NatsError, OSError) as error:
        raise PublishFailed(str(error) or type(error).__name__) from error
    if not reply.data:  # the first message of a batch is answered with nothing
        return {}
    return orjson.loads(reply.data)
