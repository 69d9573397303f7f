"""docs/module-guide.md is run: its commands, its files, its query, in the order of the page."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

import subgraphs
from mewayz.compose import compose_modules
from mewayz.new_module import write_module
from shared.testing.conformance import CHECKS, Subject
from tests.docs.pages import blocks
from tests.modules import Starter, until

pytestmark = pytest.mark.anyio

_BLOCKS = blocks("module-guide.md")
_CUSTOMER = UUID("6d657761-797a-5000-8000-000000000001")
_DEAL = UUID("6d657761-797a-5000-8000-000000000002")
# A process of its own for each migration, as on the command line: the models are read anew.
_MIGRATE = """
import sys, anyio, subgraphs
from mewayz.new_module import draft_migration
subgraphs.__path__.append(sys.argv[1])
print(anyio.run(draft_migration, *sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A further folder of modules, in which the guide's steps are done."""
    made = tmp_path_factory.mktemp("guide")
    subgraphs.__path__.append(str(made))
    yield made
    subgraphs.__path__.remove(str(made))


@pytest.mark.timeout(300)  # it composes all modules, and runs the whole conformance suite
async def test_the_guide_leads_to_a_module_that_hears_and_conforms(folder: Path, start_module: Starter) -> None:
    for kind, block in _BLOCKS:
        if kind in ("python", "po"):
            path, content = block.split("\n", 1)
            (folder / path.removeprefix("# subgraphs/")).write_text(content)
        elif kind == "sh":
            _do(folder, *shlex.split(block)[1:])

    loyalty = await start_module("loyalty")
    subject = await Subject.of(loyalty)
    for check in CHECKS:
        await check(subject)

    ada = await loyalty.new_tenant()
    await loyalty.command(ada, "createLoyaltyCard", "loyaltyCard { id }", name="Acme's card", customerId=str(_CUSTOMER))
    won = {"dealId": str(_DEAL), "closingNo": 1, "customerId": str(_CUSTOMER)}
    won["amount"] = {"amount": "24000.00", "currency": "CNY"}
    await loyalty.publish(ada.tenant, "deal.close.won", "Deal", _DEAL, 1, won)

    (query,) = (block for kind, block in _BLOCKS if kind == "graphql")

    async def has_points() -> bool:
        answer = await loyalty.execute(ada, query)
        return answer.data["loyaltyCards"]["nodes"] == [{"name": "Acme's card", "points": 240}]

    await until(has_points)


def _do(folder: Path, recipe: str, *arguments: str) -> None:
    match recipe:
        case "new-module":
            slug, _, entity = arguments
            write_module(slug, folder, entity=entity)
            _migrate(folder, slug, "first tables")
        case "migration":
            _migrate(folder, *arguments)
        case "compose":
            assert compose_modules(check=False, into=folder / "schema", modules_from=[str(folder)]) == 0
        case _:
            pytest.fail(f"the guide has a step this test doesn't know: {recipe}")


def _migrate(folder: Path, slug: str, message: str) -> None:
    command = [sys.executable, "-c", _MIGRATE, str(folder), slug, message]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert message.replace(" ", "_") in done.stdout, f"nothing was drafted: {done.stdout}"
