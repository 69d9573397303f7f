"""Sign-in passes through to identity, without a tenant and without the client's headers (contracts.md, "Sign-in")."""

from pathlib import Path

import orjson
import pytest

from shared.wire.control import ModuleState
from tests.router.gateway.world import World, world

pytestmark = pytest.mark.anyio
LOGIN = b'{"email":"ada@lumen.test","password":"secret"}'


def _answering(made: World, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> list[bytes]:
    """Let identity answer a login so; return the list of the bodies it gets."""
    bodies: list[bytes] = []

    def login(sent: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        bodies.append(sent)
        return status, headers, body

    made.identity.routes["/auth/login"] = login
    return bodies


async def test_a_login_reaches_identity_as_it_was_sent(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        bodies = _answering(made, 200, [(b"content-type", b"application/json")], b'{"accessToken":"x"}')

        reply = await made.post(LOGIN, "/auth/login", token="not looked at", headers={"cookie": "a", "x-tenant": "b"})

        assert (reply.status, reply.body, bodies) == (200, b'{"accessToken":"x"}', [LOGIN])
        assert (reply.headers[b"cache-control"], reply.headers[b"x-content-type-options"]) == (b"no-store", b"nosniff")
        (token,), (headers,) = made.identity.tokens, made.identity.headers
        assert (token.principal.tenant, token.principal.user, token.principal.permissions) == (None, None, ())
        assert headers[b"x-forwarded-for"] == b"127.0.0.1"
        assert not {b"cookie", b"x-tenant"} & headers.keys()


async def test_a_clients_own_forwarded_address_is_not_believed(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        _answering(made, 200, [], b"{}")

        await made.post(LOGIN, "/auth/login", headers={"x-forwarded-for": "9.9.9.9"})

        assert made.identity.headers[0][b"x-forwarded-for"] == b"127.0.0.1"


async def test_refusals_and_retry_after_pass_back(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        refused = b'{"errors":[{"message":"No.","extensions":{"code":"UNAUTHENTICATED"}}]}'
        _answering(made, 429, [(b"retry-after", b"30"), (b"server", b"x")], refused)

        reply = await made.post(LOGIN, "/auth/login")

        assert (reply.status, reply.headers[b"retry-after"], reply.body) == (429, b"30", refused)
        assert b"server" not in {name for name in reply.headers if reply.headers[name] == b"x"}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/auth/session", "POST", 404),  # the supervisor's own
        ("/auth/", "POST", 404),
        ("/auth/login/", "POST", 404),
        ("/auth/../auth/session", "POST", 404),
        ("/auth/%73ession", "POST", 404),
        ("/auth/oidc/lumen/other", "GET", 404),
        ("/auth/oidc/../start", "GET", 404),
        ("/auth/login", "GET", 405),
        ("/nothing", "GET", 404),
    ],
)
async def test_only_the_known_paths_lead_to_identity(tmp_path: Path, path: str, method: str, status: int) -> None:
    async with world(tmp_path) as made:
        await made.start()

        reply = await (made.get(path) if method == "GET" else made.post(LOGIN, path))

        assert reply.status == status
        assert orjson.loads(reply.body)["errors"][0]["extensions"]["code"] in {"NOT_FOUND", "METHOD_NOT_ALLOWED"}
        assert made.identity.tokens == []


async def test_a_foreign_pages_form_cannot_log_somebody_in(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        bodies = _answering(made, 200, [], b"{}")

        reply = await made.post(LOGIN, "/auth/login", headers={"content-type": "text/plain"})

        assert (reply.status, bodies) == (415, [])


async def test_openid_connect_keeps_its_query_and_its_redirect(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        made.identity.routes["/auth/oidc/lumen/callback"] = lambda _: (303, [(b"location", b"/app")], b"")

        reply = await made.get("/auth/oidc/lumen/callback?code=a%20b&state=c")

        assert (reply.status, reply.headers[b"location"]) == (303, b"/app")
        assert made.identity.queries[-1] == b"code=a%20b&state=c"


async def test_identity_down_is_503_with_the_module_named(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        made.supervisor.states["identity"] = ModuleState.BACKOFF
        made.supervisor.retry_after_ms = {"identity": 2500}
        await made.start()

        reply = await made.post(LOGIN, "/auth/login")

        assert (reply.status, reply.headers[b"retry-after"]) == (503, b"3")
        extensions = {"code": "MODULE_UNAVAILABLE", "module": "identity", "retryAfterMs": 2500}
        assert orjson.loads(reply.body)["errors"][0]["extensions"] == extensions
        assert (await made.get("/.well-known/jwks.json")).status == 503
