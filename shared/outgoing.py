"""Requests to addresses that people typed in: they reach the open internet and nothing else (security.md, threat 25).

A name is looked up once, all its addresses are looked at, and the connection goes to the address that was looked at: a name
that changes its mind (DNS rebinding) gains nothing. Redirects are not followed, proxies of the environment not asked.
"""

import asyncio
import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

import anyio
from anyio.to_thread import run_sync

from shared.errors import Invalid, Unavailable

_TRANSLATED = IPv6Network("64:ff9b::/96")  # IPv4 inside IPv6 (RFC 6052)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SIZE = 1024 * 1024
_AT_ONCE = anyio.CapacityLimiter(8)


class ForbiddenAddress(Invalid):
    """The address is not one of the open internet, or not written as one must be."""

    code = "FORBIDDEN_ADDRESS"

    def __init__(self, url: str) -> None:
        """Say what would do; which of the rules was broken tells of the network behind, and stays inside."""
        super().__init__(
            "{url} is not an address that may be asked: write https://, and a host of the open internet.", url=url
        )


class OutsideUnavailable(Unavailable):
    """The other side did not answer as it should."""

    code = "OUTSIDE_UNAVAILABLE"

    def __init__(self, url: str, what: str) -> None:
        """Name the address; `what` happened is for the log."""
        super().__init__(f"{url} does not answer as it should.", what=what)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other side answered, at most 1 MiB of it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def check_url(url: str, *, allows_loopback: bool = False) -> SplitResult:
    """Return the parts of an address; with `allows_loopback` plain http to this machine will do. Raises ForbiddenAddress."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenAddress(url) from error
    is_near = allows_loopback and parts.hostname in _LOOPBACK
    is_plain = not (parts.username or parts.password or parts.fragment) and port != 0
    if parts.scheme not in (("https", "http") if is_near else ("https",)) or not parts.hostname or not is_plain:
        raise ForbiddenAddress(url)
    return parts


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    allows_loopback: bool = False,
    timeout_s: float = 3.0,
) -> Reply:
    """Send one request and return the answer, whatever its status; redirects too are answers.

    Raises ForbiddenAddress, or OutsideUnavailable where no answer comes in time or it is too large.
    """
    parts = check_url(url, allows_loopback=allows_loopback)
    try:
        with anyio.fail_after(timeout_s):
            address = await _address(url, parts, allows_loopback=allows_loopback)
            work = _Exchange(parts, address, method, dict(headers or {}), body, timeout_s)
            return await run_sync(work.run, abandon_on_cancel=True, limiter=_AT_ONCE)
    except (OSError, ssl.SSLError, http.client.HTTPException, TimeoutError, ValueError) as error:
        raise OutsideUnavailable(url, repr(error)) from error


def is_open(address: str) -> bool:
    """Tell whether an address is of the open internet: not of this machine, a private network, or a cloud's own services."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if inner or found in _TRANSLATED:
            return found not in _TRANSLATED and inner is not None and is_open(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


async def _address(url: str, parts: SplitResult, *, allows_loopback: bool) -> str:
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    is_near = allows_loopback and host in _LOOPBACK
    if not addresses or not all(is_open(one) or (is_near and ip_address(one).is_loopback) for one in addresses):
        raise ForbiddenAddress(url)
    return addresses[0]


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request over one connection, in a thread of its own: the standard library's client blocks."""

    parts: SplitResult
    address: str
    method: str
    headers: dict[str, str]
    body: bytes | None
    timeout_s: float

    def run(self) -> Reply:
        host = self.parts.hostname or ""
        connection = http.client.HTTPConnection(host, self.parts.port, timeout=self.timeout_s)
        is_tls = self.parts.scheme == "https"
        port = self.parts.port or (443 if is_tls else 80)
        connection.sock = socket.create_connection((self.address, port), self.timeout_s)
        try:
            if is_tls:  # the certificate is the name's, whichever address it was
                connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=host)
            target = (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")
            default = 443 if is_tls else 80
            name = f"[{host}]" if ":" in host else host
            headers = {"Host": name if port == default else f"{name}:{port}", "Connection": "close", **self.headers}
            connection.request(self.method, target, self.body, headers)
            with connection.getresponse() as answer:
                content = answer.read(_SIZE + 1)
        finally:
            connection.close()
        if len(content) > _SIZE:
            raise ValueError(f"the answer has more than {_SIZE} bytes")
        return Reply(answer.status, content, {name.lower(): value for name, value in answer.getheaders()})
