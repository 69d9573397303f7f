"""The router's process: it reads its bootstrap, which holds secrets, from standard input."""

import sys

import msgspec
import setproctitle

from shared.wire.bootstrap import RouterBootstrap


def main() -> None:
    """Serve until SIGTERM."""
    from router.gateway.app import serve

    setproctitle.setproctitle("mewayz: router")
    serve(msgspec.json.decode(sys.stdin.buffer.read(), type=RouterBootstrap))


if __name__ == "__main__":
    main()
