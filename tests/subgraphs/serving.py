"""A module as a process of its own, stopped in the middle of a request."""

import json
import socket
import subprocess
import sys
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCOUTQ
from typing import Any

import msgspec

from shared.clock import SystemClock
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.principal import Principal
from shared.wire.token import SigningKey, public_bytes, sign_internal
from tests.modules import RunningModule
from tests.waiting import PATIENCE_S, until

_START_S = _STOP_S = PATIENCE_S


def bootstrap_of(running: RunningModule, nats_url: str, credentials: tuple[str, str], key: SigningKey) -> bytes:
    """Return what a process of the module is told."""
    user, password = credentials
    return msgspec.json.encode(
        ModuleBootstrap(
            module=running.module.slug,
            database_url=running.urls.app_url,
            relay_url=running.urls.relay_url,
            extra_urls=running.urls.extra_urls,
            nats_url=nats_url,
            nats_user=user,
            nats_password=password,
            router_keys={key.kid: public_bytes(key.public).hex()},
        )
    )


def stop_in_mid_request(
    slug: str, bootstrap: bytes, key: SigningKey, principal: Principal, folder: Path
) -> tuple[Any, int]:
    """Send half a request, SIGTERM, then the other half; return the answer and the process's exit code."""
    path = folder / "m.sock"
    command = [sys.executable, "-m", "mewayz", "serve-module", slug, "--bootstrap", "-", "--socket", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(bootstrap)
        process.stdin.close()
        try:
            with _connected(path) as client:
                head, body = _request(slug, key, principal)
                client.sendall(head + body[:5])
                _until_read(client)
                process.terminate()
                _until_closed(path)
                client.sendall(body[5:])
                answer = b"".join(iter(lambda: client.recv(65536), b""))
            return json.loads(answer.partition(b"\r\n\r\n")[2]), process.wait(_STOP_S)
        finally:
            process.kill()


def _until_closed(path: Path) -> None:
    """Wait until the process takes no more connections: it has heard that it is to end."""

    def is_closed() -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) != 0

    until(is_closed)


def _until_read(client: socket.socket) -> None:
    """Wait until the server has taken what was sent to it (unix(7), SIOCOUTQ)."""
    until(lambda: not any(ioctl(client, TIOCOUTQ, bytes(4))))


def _connected(path: Path) -> socket.socket:
    """Connect, and wait for the first answer, so that the process is known to serve."""
    end = time.monotonic() + _START_S
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(_STOP_S)
        try:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nhost: m\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 401")
        except OSError:
            client.close()
            assert time.monotonic() < end, f"the module doesn't serve after {_START_S} s"
            time.sleep(0.05)
        else:
            return client


def _request(slug: str, key: SigningKey, principal: Principal) -> tuple[bytes, bytes]:
    body = b'{"query": "{ __typename }"}'
    deadline = time.time() + PATIENCE_S
    token = sign_internal(
        key, principal, audience=slug, body=body, deadline=deadline, via="router", clock=SystemClock()
    )
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: m\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode(), body
