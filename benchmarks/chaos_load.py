"""The clients of the chaos run: they post until they are answered, and one reads what nobody changes."""

import asyncio
import time
from typing import Any

import orjson

from tests.services import Platform

_CLIENTS = 8
_TIMEOUT_S = 12.0
_TOKEN_S = 240.0
_OPEN = "mutation($input: OpenAccountInput!) { openAccount(input: $input) { account { id } userErrors { code } } }"
_BATCH = 10  # commands of one operation: each a transaction with a key, a receipt and an event of its own
_GIVEN = ", ".join(f"$p{number}: PostInput!" for number in range(_BATCH))
_POSTS = " ".join(
    f"p{number}: post(input: $p{number}) {{ userErrors {{ code }} receipt {{ status }} }}" for number in range(_BATCH)
)
_POST = f"mutation({_GIVEN}) {{ {_POSTS} }}"
_READ = "{ dashboard { id } }"
_TOUCHED = ("router", "postgres", "supervisor")  # what the reader's query goes through


class Unanswered(Exception):
    """No whole answer came."""


class Token:
    """One access token for all, taken anew before it ends."""

    def __init__(self, platform: Platform) -> None:
        """Ask the supervisor of `platform`."""
        self._platform = platform
        self._token, self._made_at = "", -_TOKEN_S
        self._turn = asyncio.Lock()

    def forget(self) -> None:
        """Have the next one made anew."""
        self._made_at = -_TOKEN_S

    async def fresh(self) -> str:
        """Return a token of lumen's owner; the old one where none is to be had now."""
        async with self._turn:
            if time.monotonic() - self._made_at > _TOKEN_S:
                self._made_at = time.monotonic()  # before it is: who forgets it meanwhile means this one too
                done = await asyncio.to_thread(self._platform.run, "token", "--tenant", "lumen")
                if done.returncode == 0:
                    self._token = done.stdout.strip()
                else:
                    self.forget()
        return self._token


class Connection:
    """One client's connection, made anew after any trouble."""

    def __init__(self, platform: Platform, token: Token) -> None:
        """Ask the router of `platform`."""
        self._platform = platform
        self._token = token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the answer to an operation. Raises Unanswered."""
        body = orjson.dumps({"query": query, "variables": variables})
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                token = await self._token.fresh()
                return await self._exchange(body, token)
        except (OSError, TimeoutError, EOFError, ValueError, IndexError) as error:
            self.close()
            raise Unanswered(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Forget the connection."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _exchange(self, body: bytes, token: str) -> dict[str, Any]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._platform.port)
        reader, writer = self._streams
        head = (
            f"POST /graphql HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        answer = orjson.loads(await reader.readexactly(length))
        if b" 200 " not in lines[0]:
            raise ValueError(f"{lines[0].decode()} {answer}")
        return answer


class Clients:
    """Post on accounts of their own, one after the other, each until it is acknowledged; keep the ledger."""

    def __init__(self, platform: Platform, token: Token) -> None:
        """Post at the router of `platform`."""
        self._connections = [Connection(platform, token) for _ in range(_CLIENTS)]
        self._accounts: list[str] = []
        self._running = True
        self.acked: dict[str, str] = {}  # label -> account
        self.acked_at: list[float] = []
        self.repeats = 0

    async def open_accounts(self) -> None:
        """Open an account for each client, before anything dies."""
        for number, connection in enumerate(self._connections):
            answer = await connection.ask(_OPEN, input={"name": f"Client {number}"})
            assert not answer.get("errors"), answer
            self._accounts.append(answer["data"]["openAccount"]["account"]["id"])

    def stop(self) -> None:
        """Let each client finish what it has begun."""
        self._running = False

    async def run(self) -> None:
        """Post until stopped."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(_CLIENTS):
                tasks.create_task(self._client(number))
        for connection in self._connections:
            connection.close()

    async def _client(self, number: int) -> None:
        posted = 0
        open_labels: list[str] = []
        while self._running or open_labels:
            while self._running and len(open_labels) < _BATCH:
                posted += 1
                open_labels.append(f"{number}-{posted}")
            begun = time.monotonic()
            acked = await self._post(number, open_labels)
            self.acked_at += [begun] * len(acked)
            self.acked.update(dict.fromkeys(acked, self._accounts[number]))
            open_labels = [label for label in open_labels if label not in acked]
            self.repeats += len(open_labels)
            if not acked:
                await asyncio.sleep(0.1)

    async def _post(self, number: int, labels: list[str]) -> set[str]:
        """Post once with each label, those that may have been posted before too; return which were acknowledged."""
        fields = [labels[place % len(labels)] for place in range(_BATCH)]  # the last ones are fewer: some go twice
        account = self._accounts[number]
        given = {
            f"p{place}": {"accountId": account, "label": label, "idempotencyKey": label}
            for place, label in enumerate(fields)
        }
        try:
            answer = await self._connections[number].ask(_POST, **given)
        except Unanswered:
            return set()
        data = answer.get("data") or {}
        return {label for place, label in enumerate(fields) if _is_done(data.get(f"p{place}"))}


def _is_done(payload: Any) -> bool:
    assert payload is None or not payload["userErrors"], payload
    return payload is not None and payload["receipt"]["status"] == "DONE"


class Reader:
    """Asks one thing again and again that Identity alone answers, and judges the answers."""

    def __init__(self, platform: Platform, token: Token) -> None:
        """Ask the router of `platform`."""
        self._connection = Connection(platform, token)
        self._running = True
        self._troubled_at: float | None = None  # since something that the query goes through was killed
        self.judged = 0
        self.wrong: list[Any] = []

    def expect_trouble(self, kind: str) -> None:
        """Judge no refusal from now on, until the first right answer, if the query goes through what is killed."""
        if kind in _TOUCHED:
            self._troubled_at = time.monotonic()

    def stop(self) -> None:
        """Ask no more."""
        self._running = False

    async def run(self) -> None:
        """Ask until stopped; the first answer, given before anything dies, is the right one."""
        right = await self._connection.ask(_READ)
        assert "errors" not in right, right
        while self._running:
            await asyncio.sleep(0.02)
            begun = time.monotonic()
            try:
                answer: Any = await self._connection.ask(_READ)
            except Unanswered as error:
                answer = str(error)
            self._judge(answer, right, begun)

    def _judge(self, answer: Any, right: Any, begun: float) -> None:
        self.judged += 1
        if answer == right:
            if self._troubled_at is not None and begun > self._troubled_at + 0.5:
                self._troubled_at = None
        elif self._troubled_at is None or (isinstance(answer, dict) and "errors" not in answer):
            self.wrong.append(answer)
