"""What an operator says of the gateway's edge, in a TOML file: `mewayz up --gateway FILE` (docs/operations.md)."""

import re
from ipaddress import ip_network
from pathlib import Path

import msgspec

from mewayz.failures import WrongGatewayFile
from shared.wire.bootstrap import Edge

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def read(path: Path | None) -> Edge:
    """Return what the file says, the defaults where there is none. Raises WrongGatewayFile."""
    if path is None:
        return Edge()
    try:
        edge = msgspec.toml.decode(path.read_bytes(), type=Edge, strict=True)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise WrongGatewayFile(path, str(error)) from None
    for kind, names, pattern in (("host name", edge.hosts, _HOST), ("origin", edge.origins, _ORIGIN)):
        for name in names:
            if not pattern.fullmatch(name):
                raise WrongGatewayFile(path, f"{name!r} is no {kind}")
    for network in edge.proxies:
        try:
            ip_network(network, strict=False)
        except ValueError as error:
            raise WrongGatewayFile(path, str(error)) from None
    return edge
