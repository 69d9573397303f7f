"""The edge of the gateway: allowances by plan and what is told of them, proxies in front, TLS (security.md F; threat 30)."""

import datetime as dt
import re
import signal
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio.to_thread import run_sync
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from router.gateway.access.peers import Proxies
from router.gateway.settings import Quota, settings_of
from shared.wire.bootstrap import Edge, PlanQuota
from tests.router.gateway.test_serve import _router
from tests.router.gateway.world import OTHER_TENANT, TENANT, world
from tests.services import free_port
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
QUERY = b'{"query":"{ tenant }"}'


async def test_a_tenant_may_ask_what_its_plan_allows_and_is_told_what_is_left(tmp_path: Path) -> None:
    plans = {"FREE": Quota(3, 1000), "PRO": Quota(5, 1000)}
    async with world(tmp_path, plans=plans, tenant_requests_per_minute=4, user_requests_per_minute=50) as made:
        await made.start()
        replies = {
            plan: [await made.post(QUERY, token=made.token(tenant, plan=plan)) for _ in range(6)]
            for plan, tenant in (("FREE", TENANT), ("PRO", OTHER_TENANT))
        }
        first, last = replies["FREE"][0].headers, replies["FREE"][3].headers
        anonymous = await made.post(QUERY, token=None)

    allowed = {plan: [one.status for one in found].count(200) for plan, found in replies.items()}
    assert allowed == {"FREE": 3, "PRO": 5}
    assert {one.status for one in replies["FREE"][3:]} == {429}
    # draft-ietf-httpapi-ratelimit-headers: a list of policies, and a list of what is left by the same names
    assert first[b"ratelimit-policy"] == b'"user";q=50;w=60, "tenant";q=3;w=60, "cost";q=1000;w=60'
    assert re.fullmatch(rb'"user";r=49;t=\d+, "tenant";r=2;t=\d+, "cost";r=999;t=\d+', first[b"ratelimit"])
    assert b'"tenant";r=0;t=' in last[b"ratelimit"]
    assert 1 <= int(last[b"retry-after"]) <= 60
    assert b"ratelimit" not in anonymous.headers


async def test_a_plans_cost_is_its_own(tmp_path: Path) -> None:
    async with world(tmp_path, plans={"FREE": Quota(1000, 4)}) as made:
        await made.start()
        dear = b'{"query":"{ a: deal(id: 1) { name } b: deal(id: 2) { name } }"}'
        statuses = [(await made.post(dear)).status for _ in range(4)]
        other = await made.post(dear, token=made.token(plan="OTHER"))

    assert statuses == [200, 200, 429, 429]
    assert other.status == 200


async def test_what_the_operator_wrote_reaches_the_settings(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        told = msgspec.structs.replace(
            made.bootstrap(),
            edge=Edge(
                hosts=("api.example.com",),
                origins=("https://app.example.com",),
                proxies=("10.0.0.0/8",),
                plans={"FREE": PlanQuota(requests_per_minute=60, cost_per_minute=600)},
            ),
        )
        read = msgspec.json.decode(msgspec.json.encode(told), type=type(told))

    settings = settings_of(read)
    assert settings.plans == {"FREE": Quota(60, 600)}
    assert (settings.hosts, settings.origins, settings.proxies) == (
        told.edge.hosts,
        told.edge.origins,
        told.edge.proxies,
    )


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.2", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.2", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.2", "6.6.6.6, 1.2.3.4, 10.0.0.3", "1.2.3.4"),
        ("10.0.0.2", "10.0.0.3", "10.0.0.3"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", None, "10.0.0.2"),
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("::FFFF:203.0.113.9", None, "203.0.113.9"),
        ("10.0.0.1", "::ffff:198.51.100.9, ::ffff:10.0.0.2", "198.51.100.9"),
        ("2001:db8::7", None, "2001:db8::7"),
    ],
)
def test_only_what_trusted_proxies_added_is_believed(peer: str, forwarded: str | None, seen: str) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    scope = {"type": "http", "client": (peer, 1), "headers": headers, "scheme": "http"}

    assert Proxies(["10.0.0.0/8"]).seen(scope)["client"][0] == seen


async def test_behind_a_proxy_that_speaks_tls_browsers_are_told_to_stay_there(tmp_path: Path) -> None:
    proto = {"x-forwarded-proto": "https"}
    async with world(tmp_path, proxies=("127.0.0.1",)) as made:
        await made.start()
        secure = await made.post(QUERY, headers=proto)
        plain = await made.post(QUERY)
        login = await made.post(b"{}", "/auth/login", headers={**proto, "x-forwarded-for": "203.0.113.5"})
        seen = made.identity.last_headers[b"x-forwarded-for"]
    async with world(tmp_path) as made:
        await made.start()
        untrusted = await made.post(QUERY, headers=proto)

    assert secure.headers[b"strict-transport-security"] == b"max-age=31536000; includeSubDomains"
    assert login.headers[b"strict-transport-security"]
    assert seen == b"203.0.113.5"
    assert b"strict-transport-security" not in plain.headers
    assert b"strict-transport-security" not in untrusted.headers


def _certificate(folder: Path, name: str) -> tuple[str, str]:
    """Make a certificate for this machine, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 outside the platform
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    paths = folder / "tls.pem", folder / "tls.key"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(paths[0]), str(paths[1])


def _ask_by_tls(port: int, request: bytes = b"") -> tuple[str, str | None, bytes]:
    """Return whose certificate a port shows, the TLS version, and what it answers."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain, context.wrap_socket(plain) as stream:
        shown = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True) or b"")
        stream.sendall(request)
        answer = b"".join(iter(lambda: stream.recv(65536), b"")) if request else b""
        return str(shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value), stream.version(), answer


async def _name_at(port: int, request: bytes = b"") -> tuple[str, str | None, bytes]:
    return await run_sync(_ask_by_tls, port, request)


async def test_a_router_speaks_tls_by_itself_and_takes_a_renewed_certificate_over(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        certificate, key = _certificate(tmp_path, "first")
        plain, port = made.bootstrap(), free_port()
        told = msgspec.structs.replace(plain, certificate=certificate, certificate_key=key)
        made.bootstrap = lambda: told  # pyright: ignore[reportAttributeAccessIssue]
        get = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        async with _router(made, port, waits=False) as process:
            with anyio.fail_after(PATIENCE_S):
                while True:
                    try:
                        name, version, answer = await _name_at(port, get)
                        break
                    except OSError:
                        await anyio.sleep(0.05)
            _certificate(tmp_path, "second")
            process.send_signal(signal.SIGHUP)
            with anyio.fail_after(PATIENCE_S):
                while (await _name_at(port))[0] != "second":  # noqa: ASYNC110 another process reads it
                    await anyio.sleep(0.02)

    assert (name, version) == ("first", "TLSv1.3")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"strict-transport-security: max-age=31536000" in answer
