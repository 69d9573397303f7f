"""A door to a running platform's modules for routers that are not ours: plain HTTP in, a signed request to the module out.

Modules answer nobody without an internal token, which fits one request only; no other router can sign it. The door signs
in their place, for one user, and passes everything else through as it is.
"""

import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from mewayz.folders import folders_of
from mewayz.passwords import Passwords
from shared.clock import SystemClock
from shared.wire.principal import Principal
from shared.wire.token import SigningKey, keys_of_jwks, sign_internal, verify_access
from tests.services import Platform

_TIMEOUT_S = 10


class Door:
    """Listens on a free port of this machine while the block lasts; a module answers under `url_of(slug)`."""

    def __init__(self, platform: Platform, token: str) -> None:
        """Open the modules of `platform` to whom the access token `token` belongs to."""
        keys = keys_of_jwks(platform.request("GET", "/.well-known/jwks.json")[1])
        principal, *_ = verify_access(token, keys, clock=SystemClock())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(platform.data, principal))

    def url_of(self, slug: str) -> str:
        """Return where a module answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{slug}"

    def __enter__(self) -> Self:
        """Begin to listen."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def _handler(data: Path, principal: Principal) -> type[BaseHTTPRequestHandler]:
    folders, clock = folders_of(data), SystemClock()
    key = SigningKey.from_bytes(bytes.fromhex(Passwords(folders.secrets).make_router_key().private))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            slug = self.path.strip("/")
            body = self.rfile.read(int(self.headers["content-length"]))
            deadline = clock.now().timestamp() + _TIMEOUT_S
            token = sign_internal(
                key, principal, audience=slug, body=body, deadline=deadline, via="router", clock=clock
            )
            headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
            connection = _UnixConnection(folders.module_socket(slug))
            connection.request("POST", "/graphql", body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            self.send_header("content-type", answer.getheader("content-type") or "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))
