"""Sign-in at a tenant's own OpenID Connect provider, against issuers that answer over HTTP."""

import http.client
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from subprocess import DEVNULL
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import jwt
import orjson
import pytest
from anyio.to_thread import run_sync
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.module.http import HttpAnswer
from subgraphs.identity.tests.conftest import PASSWORD, Company, Desk
from subgraphs.identity.tests.issuer import CLIENT, SECRET, Change, Issuer, issuing
from subgraphs.identity.tests.test_roles import user_id
from subgraphs.identity.tests.test_second_factor import enrol
from subgraphs.identity.tests.test_sign_in import role_id
from tests.modules import until
from tests.services import free_port

pytestmark = pytest.mark.anyio
HERE = "http://localhost:8000"
MESSAGE = "Sign-in was refused: check what you entered, or sign in again."
REFUSED = {"errors": [{"message": MESSAGE, "extensions": {"code": "UNAUTHENTICATED"}}]}


@pytest.fixture
def near(desk: Desk) -> Desk:
    """The desk of a platform in development: a provider may be on this machine."""
    return replace(desk, issuer=HERE)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as made:
        yield made


async def provide(desk: Desk, company: Company, issuer: str, **more: Any) -> Any:
    arguments = {
        "issuer": issuer,
        "clientId": CLIENT,
        "clientSecret": SECRET,
        "allowedDomains": [f"{company.slug}.example"],
        **more,
    }
    owner = await desk.principal(company)
    return await desk.running.command(owner, "setIdentityProvider", "identityProvider { id issuer }", **arguments)


def known(company: Company, label: str = "member", subject: str = "0815") -> dict[str, Any]:
    return {"sub": subject, "email": company.email(label), "email_verified": True, "name": label.title()}


async def begin(desk: Desk, company: Company, query: str = "") -> tuple[str, str]:
    """Return where the browser is sent, and its cookie."""
    answer = await desk.send("GET", f"/auth/oidc/{company.slug}/start{query}")
    assert answer.status == 303, answer
    return answer.headers["location"], answer.headers["set-cookie"].partition(";")[0]


async def finish(desk: Desk, back: str, cookie: str) -> HttpAnswer:
    parts = urlsplit(back)
    return await desk.send("GET", f"{parts.path}?{parts.query}", cookie=cookie)


async def sign_in(desk: Desk, company: Company, issuer: Issuer, query: str = "") -> HttpAnswer:
    location, cookie = await begin(desk, company, query)
    return await finish(desk, issuer.authorize(location), cookie)


async def test_a_member_signs_in_where_their_company_does(near: Desk, company: Company, issuer: Issuer) -> None:
    await provide(near, company, issuer.url)
    issuer.claims = known(company)

    answer = await sign_in(near, company, issuer)

    assert answer.status == 200
    assert near.claims(answer.body)["sub"] == await user_id(near, company, "member")
    assert answer.body["tenant"]["slug"] == company.slug
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await near.post("/auth/refresh", refreshToken=answer.body["refreshToken"])).status == 200
    (row,) = await near.running.rows(company.id, "select vouched from session order by created_at desc limit 1")
    assert row["vouched"] is True


async def test_a_sign_in_at_a_provider_leaves_a_record(near: Desk, company: Company, issuer: Issuer) -> None:
    """Issue 5: who, when, from where; the gateway sees no token of it, so identity tells"""
    await provide(near, company, issuer.url)
    issuer.claims = known(company)

    await sign_in(near, company, issuer)

    (told,) = await near.running.outgoing(company.id, "session.issued")
    member = await user_id(near, company, "member")
    assert (told["actorid"], told["data"]["userId"], told["data"]["issuedTo"]) == (member, member, issuer.url)
    assert told["origin"] == near.peer


async def test_an_independent_provider_is_understood(near: Desk, company: Company) -> None:
    """OpenID Connect Core 1.0, by an implementation that is not ours: in a process of its own, as it warns of itself."""
    claims, port = known(company), free_port()
    url = f"http://127.0.0.1:{port}"
    program = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
    provider = await anyio.open_process(
        [*program, "--user-claims", orjson.dumps(claims).decode()], stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        await until(lambda: _answers(port))
        # Its Basic authentication leaves %xx and + as they are, against RFC 6749, 2.3.1.
        await provide(near, company, url, clientId="mewayz", clientSecret="secret")
        location, cookie = await begin(near, company)
        form = urlencode({"sub": claims["sub"]}).encode()

        answer = await finish(near, await run_sync(_redirect_of, location, form), cookie)
    finally:
        provider.kill()
        await provider.wait()

    assert answer.status == 200, answer
    assert near.claims(answer.body)["sub"] == await user_id(near, company, "member")


async def _answers(port: int) -> bool:
    try:
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    except OSError:
        return False


def _redirect_of(url: str, form: bytes) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"{parts.path}?{parts.query}", form, kind)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    location = answer.getheader("location")
    assert location, answer.status
    return location


async def test_the_browser_is_bound_and_the_secrets_stay_here(near: Desk, company: Company, issuer: Issuer) -> None:
    await provide(near, company, issuer.url)

    answer = await near.send("GET", f"/auth/oidc/{company.slug}/start")
    far = await replace(near, issuer="https://mewayz.example").send("GET", f"/auth/oidc/{company.slug}/start")

    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "code_verifier" not in answer.headers["location"]
    assert SECRET not in answer.headers["location"]
    assert far.status == 401, "a provider on this machine is refused outside development"
    owner = await near.principal(company)
    shown = await near.running.execute(owner, "{ identityProviders { nodes { issuer clientId allowedDomains } } }")
    assert shown.data["identityProviders"]["nodes"][0]["issuer"] == issuer.url
    hidden = await near.running.execute(owner, "{ identityProviders { nodes { clientSecret } } }")
    assert hidden.errors


async def test_only_the_browser_that_began_may_end_it_and_once(near: Desk, company: Company, issuer: Issuer) -> None:
    """Login CSRF, session fixation"""
    await provide(near, company, issuer.url)
    issuer.claims = known(company)
    location, cookie = await begin(near, company)
    _, other = await begin(near, company)
    back = issuer.authorize(location)

    stranger = await finish(near, back, other)
    late = await finish(near, back, cookie)

    assert [stranger.status, late.status] == [401, 401], "the state is used up by who was refused"
    assert "/token" not in issuer.requests
    location, cookie = await begin(near, company)
    back = issuer.authorize(location)
    assert [(await finish(near, back, cookie)).status for _ in range(2)] == [200, 401]


def _set(**claims: Any) -> Change:
    def change(made: dict[str, Any]) -> None:
        made.update(claims)
        for name in [name for name, value in claims.items() if value is None]:
            del made[name]

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set(nonce="another"),
        _set(nonce=None),
        _set(aud="another client"),
        _set(aud=[CLIENT, "another"]),
        _set(aud=[CLIENT], azp="another"),
        _set(iss="https://evil.example"),
        _set(exp=int(time.time()) - 3600),
        _set(exp=None),
        _set(iat=int(time.time()) + 3600),
        _set(sub=None),
        _set(email_verified=False),
        _set(email_verified="true"),
        _set(email_verified=None),
        _set(email="member@elsewhere.example"),
        _set(email="member@elsewhere.example@{slug}.example"),
        _set(email=None),
        _set(email=7),
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_or_speaks_for_others_is_refused(
    near: Desk, company: Company, issuer: Issuer, change: Change
) -> None:
    await provide(near, company, issuer.url)
    issuer.claims = known(company)
    issuer.change = change

    answer = await sign_in(near, company, issuer)

    assert answer.status == 401
    assert answer.body == REFUSED


async def test_signatures_that_prove_nothing_are_refused(near: Desk, company: Company, issuer: Issuer) -> None:
    """Threat 12"""
    await provide(near, company, issuer.url)
    issuer.claims = known(company)
    other = rsa.generate_private_key(65537, 2048)
    forgers: dict[str, Any] = {
        "another key": lambda made: jwt.encode(made, other, "RS256", headers={"kid": issuer.kid}),
        "none": lambda made: jwt.encode(made, "", "none", headers={"kid": issuer.kid}),
        "the client's secret": lambda made: jwt.encode(made, SECRET * 3, "HS256", headers={"kid": issuer.kid}),
        "an unknown key": lambda made: jwt.encode(made, issuer.key, "RS256", headers={"kid": "second"}),
        "no token": lambda made: "abc",
    }
    issuer.metadata = {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
    statuses: dict[str, int] = {}
    for what, forger in forgers.items():
        issuer.sign = forger
        statuses[what] = (await sign_in(near, company, issuer)).status

    assert statuses == dict.fromkeys(forgers, 401)


async def test_a_provider_that_changes_its_key_goes_on(near: Desk, company: Company, issuer: Issuer) -> None:
    await provide(near, company, issuer.url)
    issuer.claims = known(company)
    assert (await sign_in(near, company, issuer)).status == 200

    issuer.key, issuer.kid = rsa.generate_private_key(65537, 2048), "second"

    assert (await sign_in(near, company, issuer)).status == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "http://10.0.0.1/keys"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": 7},
    ],
)
async def test_what_a_provider_says_of_itself_is_not_followed_anywhere(
    near: Desk, company: Company, issuer: Issuer, metadata: dict[str, Any]
) -> None:
    """Threat 25"""
    await provide(near, company, issuer.url)
    issuer.claims, issuer.metadata = known(company), metadata

    answer = await near.send("GET", f"/auth/oidc/{company.slug}/start")
    if answer.status == 303:
        cookie = answer.headers["set-cookie"].partition(";")[0]
        answer = await finish(near, issuer.authorize(answer.headers["location"]), cookie)

    assert answer.status == 401
    assert answer.body == REFUSED


async def test_a_redirect_is_not_followed(near: Desk, company: Company, issuer: Issuer) -> None:
    """Threat 25"""
    await provide(near, company, issuer.url)
    issuer.redirect = f"{issuer.url}/elsewhere"

    assert (await near.send("GET", f"/auth/oidc/{company.slug}/start")).status == 401
    assert issuer.requests == ["/.well-known/openid-configuration"]


async def test_its_sub_is_the_person_when_their_address_changes(near: Desk, company: Company, issuer: Issuer) -> None:
    await provide(near, company, issuer.url)
    issuer.claims = known(company)
    await sign_in(near, company, issuer)

    issuer.claims = {"sub": "0815"}
    again = await sign_in(near, company, issuer)

    assert near.claims(again.body)["sub"] == await user_id(near, company, "member")


async def test_who_is_not_known_comes_in_with_the_default_role_or_not_at_all(
    near: Desk, company: Company, issuer: Issuer
) -> None:
    await provide(near, company, issuer.url)
    issuer.claims = known(company, "newcomer")
    assert (await sign_in(near, company, issuer)).status == 401
    assert (
        await near.running.rows(company.id, "select 1 from user_account where email = $1", company.email("newcomer"))
        == []
    )

    await provide(near, company, issuer.url, defaultRoleId=await role_id(near, company, "Viewer"))
    answer = await sign_in(near, company, issuer)

    assert near.claims(answer.body)["roles"] == ["Viewer"]
    assert (await near.post("/auth/login", email=company.email("newcomer"), password=PASSWORD)).status == 401


async def test_a_seat_is_taken_as_by_an_invitation(near: Desk, issuer: Issuer) -> None:
    company = await near.company(seats=1)
    await provide(near, company, issuer.url, defaultRoleId=await role_id(near, company, "Viewer"))
    issuer.claims = known(company, "newcomer")

    assert (await sign_in(near, company, issuer)).status == 401


async def test_who_was_deactivated_stays_out(near: Desk, company: Company, issuer: Issuer) -> None:
    await provide(near, company, issuer.url)
    issuer.claims = known(company)
    await sign_in(near, company, issuer)
    member = await user_id(near, company, "member")
    await near.running.command(await near.principal(company), "deactivateUser", "userAccount { id }", userId=member)

    assert (await sign_in(near, company, issuer)).status == 401


async def test_roles_follow_the_claim_at_each_sign_in(near: Desk, company: Company, issuer: Issuer) -> None:
    sales = await role_id(near, company, "Sales")
    mapping = [{"value": "sales-team", "roleId": sales}]
    await provide(near, company, issuer.url, roleClaim="groups", roleMapping=mapping)
    issuer.claims = {**known(company), "groups": ["others", "sales-team"]}
    with_role = await sign_in(near, company, issuer)
    issuer.claims = {**known(company), "groups": "others"}
    without = await sign_in(near, company, issuer)

    assert sorted(near.claims(with_role.body)["roles"]) == ["Member", "Sales"]
    assert near.claims(without.body)["roles"] == ["Member"]

    async def told() -> bool:
        events = await near.running.outgoing(company.id, "access.revoked")
        return [event["data"]["isFinal"] for event in events] == [False]

    await until(told)


async def test_a_company_s_provider_opens_that_company_and_no_other(
    near: Desk, company: Company, issuer: Issuer
) -> None:
    """A provider is its tenant's own: it must not open what the person has elsewhere."""
    other = await near.company()
    boss = await near.principal(other)
    viewer = await role_id(near, other, "Viewer")
    await near.running.command(boss, "inviteUser", "userAccount { id }", email=company.email("member"), roleId=viewer)
    letter = await near.letter(company.email("member"))
    assert (await near.post("/auth/invitation", token=letter, password=PASSWORD)).status == 200
    await provide(near, company, issuer.url)
    issuer.claims = known(company)

    answer = await sign_in(near, company, issuer)
    switched = await near.post("/auth/switch", refreshToken=answer.body["refreshToken"], tenant=other.slug)
    refreshed = await near.post("/auth/refresh", refreshToken=answer.body["refreshToken"])

    assert [one["slug"] for one in answer.body["tenants"]] == [company.slug]
    assert switched.status == 401
    assert [one["slug"] for one in refreshed.body["tenants"]] == [company.slug]


async def test_a_company_s_provider_can_not_touch_what_a_person_has_everywhere(
    near: Desk, company: Company, issuer: Issuer
) -> None:
    """The owner of a provider could set up a second factor as anybody, and lock them out of their other companies."""
    other = await near.company()
    boss = await near.principal(other)
    viewer = await role_id(near, other, "Viewer")
    await near.running.command(boss, "inviteUser", "userAccount { id }", email=company.email("member"), roleId=viewer)
    await provide(near, other, issuer.url, allowedDomains=[f"{company.slug}.example"])
    issuer.claims = known(company)
    posing = await near.read((await sign_in(near, other, issuer)).body)
    account = "userAccount { mfaUri }"

    begun = await near.running.command(posing, "enableMfa", account)
    guessed = [await near.running.command(posing, "confirmMfa", account, code="000000") for _ in range(6)]

    codes = {error["code"] for answer in (begun, *guessed) for error in answer["userErrors"]}
    assert codes == {"PASSWORD_NEEDED"}
    assert begun["userAccount"] is None
    member = await near.principal(company, "member")
    login = await near.post("/auth/login", email=company.email("member"), password=PASSWORD)
    assert login.body["tenant"]["slug"] == company.slug, "where they land is theirs to choose"
    await enrol(near, member)


async def test_the_provider_answers_for_the_second_factor(near: Desk, company: Company, issuer: Issuer) -> None:
    """IDN-5"""
    await enrol(near, await near.principal(company, "member"))
    owner = await near.principal(company)
    await near.running.command(owner, "setMfaPolicy", "tenant { id }", policy="EVERYONE")
    async with issuing() as made:
        arguments = {"issuer": made.url, "clientId": CLIENT, "allowedDomains": [f"{company.slug}.example"]}
        await near.running.command(
            owner, "setIdentityProvider", "identityProvider { id }", clientSecret=SECRET, **arguments
        )
        made.claims = known(company, "viewer")
        answer = await sign_in(near, company, made)

    assert "crm.deal.read" in near.claims(answer.body)["perms"]


async def test_the_way_back_is_a_path_of_ours(near: Desk, company: Company, issuer: Issuer) -> None:
    await provide(near, company, issuer.url)
    issuer.claims = known(company)

    there = await sign_in(near, company, issuer, "?return=/app/deals?open=1")

    assert there.status == 303
    path, _, fragment = there.headers["location"].partition("#refreshToken=")
    assert path == "/app/deals?open=1"
    assert (await near.post("/auth/refresh", refreshToken=fragment)).status == 200
    for wrong in ("//evil.example", "https://evil.example", "/\\evil.example", "/a%0d%0ab", "/a%23b", ""):
        start = await near.send("GET", f"/auth/oidc/{company.slug}/start?return={wrong}&x=1")
        assert start.status == (303 if wrong == "" else 401), wrong


async def test_no_tenant_and_no_provider_are_one_refusal(near: Desk, company: Company) -> None:
    answers = [
        await near.send("GET", path)
        for path in (
            "/auth/oidc/no-such-tenant/start",
            f"/auth/oidc/{company.slug}/start",
            f"/auth/oidc/{company.slug}/callback?code=a&state=b",
            f"/auth/oidc/{company.slug}/callback",
            f"/auth/oidc/{company.slug}/callback?error=access_denied&state=b",
        )
    ]

    assert [(answer.status, answer.body) for answer in answers] == [(401, REFUSED)] * 5


async def test_owners_alone_say_whom_a_company_believes(near: Desk) -> None:
    """IDN-3: who decides whom a provider vouches for can be anybody."""
    company = await near.company(("admin", "Admin"))
    admin = await near.principal(company, "admin")
    arguments = {"issuer": "https://id.example.com", "clientId": "x", "allowedDomains": ["example.com"]}

    refused = await near.running.command(admin, "setIdentityProvider", "identityProvider { id }", **arguments)
    owners_role = await role_id(near, company, "Owner")
    mapped = await provide(near, company, "https://id.example.com", defaultRoleId=owners_role)

    for answer in (refused, mapped):
        assert [error["code"] for error in answer["userErrors"]] == ["PRIVILEGE_ESCALATION"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"issuer": "http://id.example.com"}, "FORBIDDEN_ADDRESS"),
        ({"issuer": "file:///etc/passwd"}, "FORBIDDEN_ADDRESS"),
        ({"issuer": "https://user:password@id.example.com"}, "FORBIDDEN_ADDRESS"),
        ({"allowedDomains": []}, "VALIDATION"),
        ({"allowedDomains": ["localhost"]}, "VALIDATION"),
        ({"roleClaim": "groups"}, "VALIDATION"),
    ],
)
async def test_a_provider_that_can_not_be_asked_is_not_set(
    near: Desk, company: Company, wrong: dict[str, Any], code: str
) -> None:
    refused = await provide(near, company, **{"issuer": "https://id.example.com", **wrong})

    assert [error["code"] for error in refused["userErrors"]] == [code]


async def test_a_disabled_provider_signs_nobody_in(near: Desk, company: Company, issuer: Issuer) -> None:
    made = await provide(near, company, issuer.url)
    owner = await near.principal(company)

    number = made["identityProvider"]["id"]
    done = await near.running.command(owner, "disableIdentityProvider", "identityProvider { active }", id=number)

    assert done["identityProvider"] == {"active": False}
    assert (await near.send("GET", f"/auth/oidc/{company.slug}/start")).status == 401


async def test_nobody_fills_the_table_of_sign_ins_under_way(near: Desk, company: Company, issuer: Issuer) -> None:
    await provide(near, company, issuer.url)
    path = f"/auth/oidc/{company.slug}/start"

    statuses = [(await near.send("GET", path, peer="203.0.113.99")).status for _ in range(61)]

    assert statuses == [303] * 60 + [429]
