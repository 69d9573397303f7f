"""A router worker: the application behind a port, until it is told to end."""

import gc
import signal
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import structlog
import uvicorn

from router.gateway.app import Gateway, make_app, make_plain_app
from router.gateway.protocol.heads import BoundedHeads
from router.gateway.protocol.sockets import BoundedSocket
from router.gateway.served import ServedGraph
from router.gateway.settings import Settings
from shared.wire.bootstrap import RouterBootstrap
from shared.wire.log import configure_log

# TLS 1.2 with forward secrecy, and 1.3, which has its own list; Python refuses what is older.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_UNREAD_S = 60
PROTOCOLS: Mapping[str, Any] = {
    "http": BoundedHeads,
    "ws": BoundedSocket,
    "ws_max_size": 256 * 1024,
    "ws_per_message_deflate": False,  # whose sizes are looked at when all is unpacked: a kilobyte becomes a megabyte
}
"""How the server is to speak, on every port of a gateway."""
Certificate = tuple[str, str | None]

log = structlog.get_logger()


def serve(bootstrap: RouterBootstrap) -> None:
    """Run a router worker until SIGTERM or SIGINT, and let requests in flight finish; SIGHUP reloads the supergraph.

    Raises OSError where the port is taken, and what `make_app` raises.
    """
    gc.disable()  # until `rest_collector`: what is made at the start stays
    configure_log(bootstrap.log_level)
    tls = (bootstrap.certificate, bootstrap.certificate_key) if bootstrap.certificate else None
    _run(make_app(bootstrap), bootstrap.host, bootstrap.port, tls)


def serve_plain(
    supergraph: Path, *, host: str = "127.0.0.1", port: int, data: Path | None = None, log_level: str = "info"
) -> None:
    """Run a plain router until SIGTERM or SIGINT; what it read is kept in `data` for the next start.

    Raises OSError where the port is taken, InvalidSupergraph.
    """
    gc.disable()
    configure_log(log_level)
    _run(make_plain_app(supergraph, data=data), host, port)


def rest_collector() -> None:
    """Let the collector look for cycles seldom: plans and answers are many objects, and none of them is in a cycle.

    What is there by now, the supergraph, it need not walk again and again.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


def _run(app: Gateway, host: str, port: int, tls: Certificate | None = None) -> None:
    rest_collector()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # uvicorn raises its signal again after draining: that is no failure
    config = uvicorn.Config(
        app,
        **PROTOCOLS,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,  # longer than the proxies in front keep theirs, so that none finds a closed one
        timeout_graceful_shutdown=int(Settings().drain_s),
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
        ssl_ciphers=_CIPHERS,
    )
    with listening(host, port) as listener:
        anyio.run(_serve, app, uvicorn.Server(config), listener, tls, backend_options={"use_uvloop": True})


def listening(host: str, port: int, *, unread_s: float = _UNREAD_S) -> socket.socket:
    """Return a socket for connections that end where what was sent is not taken for a time, be the peer gone or only slow.

    Raises OSError where the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux's, which connections inherit
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unread_s * 1000))
    return listener


async def _serve(app: Gateway, server: uvicorn.Server, listener: socket.socket, tls: Certificate | None) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_reload_on_hangup, app.served, server.config, tls)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


async def _reload_on_hangup(served: ServedGraph, config: uvicorn.Config, tls: Certificate | None) -> None:
    with anyio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            await served.reload()
            if tls is not None and config.ssl is not None:
                try:
                    config.ssl.load_cert_chain(*tls)  # for connections from now on: a renewed certificate
                except (OSError, ssl.SSLError) as error:
                    log.error("certificate_refused", path=tls[0], error=repr(error))
