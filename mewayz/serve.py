"""One module or one router in this very process: the shape of a container."""

import socket
import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from shared.errors import InvalidInput
from shared.wire.bootstrap import ModuleBootstrap, RouterBootstrap

_Told = TypeVar("_Told", ModuleBootstrap, RouterBootstrap)


class WrongBootstrap(InvalidInput):
    """The bootstrap isn't one, or is another module's."""

    code = "WRONG_BOOTSTRAP"


def serve_module(slug: str, bootstrap: Path, *, host: str, port: int, path: Path | None) -> None:
    """Serve module `slug` on a port, or on the Unix socket `path`, until SIGTERM. Raises WrongBootstrap."""
    from shared.hosting import serve

    told = _told(bootstrap, ModuleBootstrap)
    if told.module != slug:
        raise WrongBootstrap(f"The bootstrap is for module {told.module}, not {slug}.")
    if path is None:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    else:
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1024)
    serve(told, listener)


def serve_router(bootstrap: Path, *, certificate: Path | None = None, key: Path | None = None) -> None:
    """Serve the gateway until SIGTERM, by TLS where there is a `certificate`. Raises WrongBootstrap."""
    from router.gateway.serving import serve

    told = _told(bootstrap, RouterBootstrap)
    if certificate is not None:
        told = msgspec.structs.replace(told, certificate=str(certificate), certificate_key=str(key) if key else None)
    serve(told)


def serve_plain_router(supergraph: Path, *, host: str, port: int, data: Path | None = None) -> None:
    """Serve any composed schema at /graphql, sending to the URLs that stand in it; no sign-in, no modules."""
    from router.gateway.serving import serve_plain

    serve_plain(supergraph, host=host, port=port, data=data)


def _told(bootstrap: Path, kind: type[_Told]) -> _Told:
    """Return what stands in a file, which is read again whenever it changes, or comes by standard input (`-`)."""
    is_file = str(bootstrap) != "-"
    try:
        told = msgspec.json.decode(bootstrap.read_bytes() if is_file else sys.stdin.buffer.read(), type=kind)
    except msgspec.DecodeError as error:
        raise WrongBootstrap(f"That is no {kind.__name__}: {error}.") from None
    return msgspec.structs.replace(told, renewed=str(bootstrap.resolve())) if is_file else told
