"""Requests to addresses that people typed in reach the open internet and nothing else (threat 25)."""

import asyncio
import socket
from typing import Any

import pytest

from shared.outgoing import ForbiddenAddress, OutsideUnavailable, check_url, fetch, is_open

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_open(address: str) -> None:
    assert not is_open(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_an_address_of_the_internet_is_open(address: str) -> None:
    assert is_open(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "ftp://example.com", "file:///etc/passwd", "gopher://example.com", "//example.com", "",
        "https://", "https://a:b@example.com", "https://example.com:0", "https://example.com:99999",
        "https://example.com/#x", "javascript:alert(1)", "http://localhost",
    ],
)  # fmt: skip
def test_what_is_not_https_to_a_host_is_forbidden(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://169.254.169.254/latest/meta-data",
        "https://0x7f000001/", "https://2130706433/", "https://[::ffff:127.0.0.1]/", "https://0/",
    ],
)  # fmt: skip
async def test_every_way_to_write_this_machine_is_forbidden(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await fetch(url)


async def test_a_name_is_looked_up_once_and_all_its_addresses_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer, which points inside, is never asked for."""
    answers = [["1.1.1.1", "10.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers[len(asked) - 1]]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    with pytest.raises(ForbiddenAddress):
        await fetch("https://rebinding.example/")

    assert asked == ["rebinding.example"]


async def _serving(answer: bytes) -> tuple[asyncio.Server, str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_in_development_this_machine_answers_and_a_redirect_is_an_answer() -> None:
    server, url = await _serving(b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 2\r\n\r\nhi")
    async with server:
        reply = await fetch(f"{url}/a?b=c", allows_loopback=True)

    assert (reply.status, reply.body, reply.headers["location"]) == (302, b"hi", "http://10.0.0.1/")


async def test_an_answer_that_is_too_large_or_none_or_too_late_is_unavailable() -> None:
    large, url = await _serving(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (1024 * 1024 + 1))
    nonsense, other = await _serving(b"220 mail.example ESMTP\r\n")
    async with large, nonsense:
        for asked in (url, other, "http://127.0.0.1:1/"):
            with pytest.raises(OutsideUnavailable):
                await fetch(asked, allows_loopback=True)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(OutsideUnavailable):
        await fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/", allows_loopback=True, timeout_s=0.2)
