"""GraphiQL is served from here alone; what its panels ask is told only to who is signed in."""

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.router.gateway.world import world

pytestmark = pytest.mark.anyio


async def test_the_page_may_ask_no_other_machine(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        page = await made.get("/graphiql")

    assert page.status == 200
    assert page.headers[b"cache-control"] == b"no-store"
    policy = page.headers[b"content-security-policy"]
    assert b"default-src 'none'; script-src 'self';" in policy
    assert b"connect-src 'self'" in policy
    assert b"http" not in policy
    assert b'<div id="root">' in page.body
    assert b"http://" not in page.body
    assert b"https://" not in page.body


async def test_assets_come_compressed_and_are_kept_for_ever(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        page = await made.get("/graphiql")
        (script,) = re.findall(rb'src="(/graphiql/assets/[^"]+[.]js)"', page.body)
        packed = await made.get(script.decode(), **{"accept-encoding": "gzip, br"})
        plain = await made.get(script.decode())

    assert packed.headers[b"content-encoding"] == b"gzip"
    assert packed.headers[b"cache-control"] == b"public, max-age=31536000, immutable"
    assert packed.headers[b"vary"] == b"accept-encoding"
    assert b"content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize(
    "path",
    ["/graphiql/none.js", "/graphiql/../src/main.jsx", "/graphiql/%2e%2e/package.json", "/graphiql/index.html.gz"],
)
async def test_nothing_but_the_bundle_is_there(path: str, tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        assert (await made.get(path)).status == 404


async def test_modules_and_plans_need_a_login(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        assert (await made.get("/graphiql/modules")).status == 401
        assert (await made.get("/graphiql/plan")).status == 405


@pytest.mark.parametrize(
    ("permissions", "status"), [(("*",), 200), (("*.read",), 200), (("gateway.plan.read",), 200), (("crm.*",), 403)]
)
async def test_a_plan_is_shown_to_who_may_read_plans(permissions: tuple[str, ...], status: int, tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        token = made.token(permissions=permissions)

        reply = await made.post(b'{"query": "{ tenant }"}', "/graphiql/plan", token=token)
        modules = await made.get("/graphiql/modules", authorization=f"Bearer {token}")

    assert reply.status == status
    assert modules.status == 200  # its names stand in the examples, and in every error
    answer = json.loads(reply.body)
    if status == 200:
        assert [fetch["module"] for fetch in answer["fetches"]] == ["crm"]
    else:
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert (
            error["message"] == "The plan is not shown to you: it takes a role with the permission gateway.plan.read."
        )
