"""A module's database: who may do what in it (contracts.md, "Databases")."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from mewayz.folders import Folders
from mewayz.passwords import Passwords
from mewayz.servers import module_database
from mewayz.servers.databases import make_database

pytestmark = pytest.mark.anyio


async def test_the_migration_acts_as_the_owner_who_cannot_log_in(postgres_admin_url: str, tmp_path: Path) -> None:
    database = await make_database(postgres_admin_url, "alpha", Passwords(tmp_path))

    assert await _one(database.owner_url, "select current_user") == "mewayz_alpha_owner"
    assert not await _one(postgres_admin_url, "select rolcanlogin from pg_roles where rolname = 'mewayz_alpha_owner'")


async def test_the_app_role_owns_nothing_and_makes_nothing(postgres_admin_url: str, tmp_path: Path) -> None:
    database = await make_database(postgres_admin_url, "beta", Passwords(tmp_path))

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _one(database.app_url, "create table loot ()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _one(database.app_url, "create temporary table loot ()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _one(database.app_url, "set role mewayz_beta_owner")


async def test_a_module_cannot_connect_to_another_modules_database(postgres_admin_url: str, tmp_path: Path) -> None:
    gamma = await make_database(postgres_admin_url, "gamma", Passwords(tmp_path))
    await make_database(postgres_admin_url, "delta", Passwords(tmp_path))

    trespass = urlsplit(gamma.app_url)._replace(path="/mewayz_delta")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _one(urlunsplit(trespass), "select 1")


async def test_making_it_again_keeps_passwords_and_rows(postgres_admin_url: str, tmp_path: Path) -> None:
    first = await make_database(postgres_admin_url, "epsilon", Passwords(tmp_path))
    await _one(first.owner_url, "create table kept as select 7 as number")

    second = await make_database(postgres_admin_url, "epsilon", Passwords(tmp_path))

    assert (first.is_new, second.is_new) == (True, False)
    assert replace(second, is_new=True) == first
    assert await _one(second.owner_url, "select number from kept") == 7


async def test_a_lost_data_folder_gets_new_passwords_on_the_same_server(
    postgres_admin_url: str, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    await make_database(postgres_admin_url, "zeta", Passwords(tmp_path))

    database = await make_database(postgres_admin_url, "zeta", Passwords(tmp_path / "new"))

    assert await _one(database.relay_url, "select current_user") == "mewayz_zeta_relay"


async def test_an_administrator_without_superuser_is_enough(postgres_admin_url: str, tmp_path: Path) -> None:
    await _one(postgres_admin_url, "create role modest login createdb createrole password 'modest'")
    parts = urlsplit(postgres_admin_url)
    modest = urlunsplit(parts._replace(netloc="modest:modest@"))

    database = await make_database(modest, "eta", Passwords(tmp_path))

    assert await _one(database.owner_url, "select current_user") == "mewayz_eta_owner"
    await _one(database.owner_url, "create schema eta")


async def test_identity_alone_has_a_role_for_sign_in(
    postgres_admin_url: str, platform_folders: Folders, tmp_path: Path
) -> None:
    identity = await make_database(postgres_admin_url, "identity", Passwords(platform_folders.secrets))
    other = await make_database(postgres_admin_url, "theta", Passwords(tmp_path))

    assert await _one(identity.extra_urls["identity_login"], "select current_user") == "mewayz_identity_login"
    assert other.extra_urls == {}


async def test_a_role_that_a_module_gets_later_may_connect(
    postgres_admin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUD-1: the purge's role comes to databases that were made before it"""
    await make_database(postgres_admin_url, "iota", Passwords(tmp_path))
    monkeypatch.setitem(module_database._EXTRA_ROLES, "iota", ("iota_later",))  # pyright: ignore[reportPrivateUsage]

    again = await make_database(postgres_admin_url, "iota", Passwords(tmp_path))

    assert await _one(again.extra_urls["iota_later"], "select current_user") == "mewayz_iota_later"


async def _one(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()
