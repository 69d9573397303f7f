"""Every module, with no code in it, does what the kit promises (shared/testing/conformance)."""

import shutil
from pathlib import Path

import pytest
from anyio import to_thread

from mewayz.folders import folders_of
from mewayz.passwords import Passwords
from mewayz.servers.databases import make_database
from mewayz.servers.postgres import Postgres
from shared.database.migrate import draft_revision, migrate
from shared.module import discover, load
from shared.testing.conformance import CHECKS, Subject
from shared.testing.conformance.subject import Check
from shared.wire.token import SigningKey
from tests.modules import Starter
from tests.services import NatsServer
from tests.subgraphs.serving import bootstrap_of, stop_in_mid_request

pytestmark = pytest.mark.anyio

_subjects: dict[str, Subject] = {}  # one a module, as a module's tests stay on one worker


def _revisions(slug: str) -> list[Path]:
    return sorted(load(slug).migrations.glob("[0-9]*.py"))


MODULES = [pytest.param(slug, marks=pytest.mark.xdist_group(f"conformance-{slug}")) for slug in discover()]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("slug", MODULES)
async def test_a_module_conforms(slug: str, check: Check, start_module: Starter) -> None:
    if slug not in _subjects:
        _subjects[slug] = await Subject.of(await start_module(slug))
    await check(_subjects[slug])


@pytest.mark.parametrize("slug", MODULES)
async def test_its_migrations_lead_from_nothing_to_its_models(slug: str, start_module: Starter, tmp_path: Path) -> None:
    running = await start_module(slug)
    copied = shutil.copytree(running.module.migrations, tmp_path / "migrations")

    drift = await draft_revision(slug, copied, running.module.metadata, running.urls.owner_url, "drift")

    assert drift is None, (
        f'the models of {slug} have changed: mewayz migration {slug} "what changed"\n{drift.read_text()}'
    )


@pytest.mark.parametrize("slug", [slug for slug in discover() if len(_revisions(slug)) > 1])
async def test_its_last_migration_leads_on_from_the_one_before(slug: str, tmp_path: Path) -> None:
    """On a server of its own: the tests' other one is at the newest revision already."""
    module, last = load(slug), _revisions(slug)[-1]
    copied = shutil.copytree(module.migrations, tmp_path / "migrations", ignore=lambda *_: [last.name, "__pycache__"])
    folders = folders_of(tmp_path / "data")
    folders.create()
    server = Postgres(folders, Passwords(folders.secrets))
    await server.start()
    try:
        urls = await make_database(server.admin_url, slug, Passwords(folders.secrets))
        await migrate(slug, copied, urls.owner_url)
        shutil.copy(last, copied)
        await migrate(slug, copied, urls.owner_url)

        assert await draft_revision(slug, copied, module.metadata, urls.owner_url, "drift") is None
    finally:
        await server.stop()


@pytest.mark.parametrize("slug", MODULES)
async def test_it_finishes_what_is_in_hand_when_it_is_stopped(
    slug: str, start_module: Starter, nats_server: NatsServer, tmp_path: Path
) -> None:
    """A request whose body is still on its way when SIGTERM comes is answered whole; then the process ends by itself."""
    running, key = await start_module(slug), SigningKey.generate()
    told = bootstrap_of(running, nats_server.url, nats_server.nats.credentials(slug), key)
    who = await running.new_tenant()

    answer, exit_code = await to_thread.run_sync(stop_in_mid_request, slug, told, key, who, tmp_path)

    assert answer == {"data": {"__typename": "Query"}}
    assert exit_code == 0
