"""GraphiQL is served from here alone; what its panels ask is told only to who is signed in."""

from pathlib import Path

import pytest

from tests.router.gateway.world import world

pytestmark = pytest.mark.anyio


async def test_the_page_may_ask_no_other_machine(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        await made.start()
        page = await made.get("/graphiql")

    assert page.status == 200
    assert b'<div id="root">' in page.body
    assert b"http://" not in page.body
    assert b"https://" not in page.body


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
