"""What a module's process is told anew while it runs: keys, passwords, its user on NATS (ADR 0024)."""

import os
from pathlib import Path

import anyio
import msgspec
import pytest
from nats.errors import AuthorizationError

from shared.hosting.secrets import RouterKeys, address_of, stay_connected
from shared.wire.bootstrap import FormerKey, ModuleBootstrap
from shared.wire.jetstream import connect, settled
from shared.wire.renewal import Told
from shared.wire.token import SigningKey, public_bytes
from tests.services import NatsServer
from tests.waiting import PATIENCE_S

_FIRST, _SECOND = SigningKey.generate(), SigningKey.generate()


def test_a_key_counts_as_soon_as_it_is_told_and_the_one_before_for_a_while(tmp_path: Path) -> None:
    now = 100.0
    told = Told(_bootstrap(tmp_path, _FIRST))
    keys = RouterKeys(told, lambda: now)
    assert _kids(keys) == [_FIRST.kid]

    former = {_FIRST.kid: FormerKey(_hex(_FIRST), until=160.0)}
    _tell(tmp_path, _bootstrap(tmp_path, _SECOND, former_router_keys=former))

    assert _kids(keys) == [_SECOND.kid, _FIRST.kid], "nobody looked but who met the new one"
    now = 160.0
    assert _kids(keys) == [_SECOND.kid]
    assert "unknown" not in keys


def test_passwords_are_those_of_the_moment(tmp_path: Path) -> None:
    told = Told(_bootstrap(tmp_path, _FIRST))
    address = address_of(told, lambda now: now.database_url)
    assert address() == ["postgresql://first"]

    _tell(tmp_path, _bootstrap(tmp_path, _FIRST, successors={"postgresql://first": "postgresql://second"}))
    assert address() == ["postgresql://first", "postgresql://second"]

    _tell(tmp_path, _bootstrap(tmp_path, _FIRST, database_url="postgresql://second"))
    assert address() == ["postgresql://second"]


def test_what_stands_in_the_file_wins_over_what_came_at_birth(tmp_path: Path) -> None:
    _tell(tmp_path, _bootstrap(tmp_path, _SECOND))

    assert _kids(RouterKeys(Told(_bootstrap(tmp_path, _FIRST)))) == [_SECOND.kid]


def test_a_file_that_is_none_changes_nothing(tmp_path: Path) -> None:
    told = Told(_bootstrap(tmp_path, _FIRST))
    for content in (b"", b"{", b"[]"):
        (tmp_path / "told.json").write_bytes(content)
        told.look()
        assert told.now.router_keys == {_FIRST.kid: _hex(_FIRST)}

    _tell(tmp_path, _bootstrap(tmp_path, _SECOND))
    told.look()
    assert told.now.router_keys == {_SECOND.kid: _hex(_SECOND)}


@pytest.mark.anyio
async def test_a_process_moves_to_its_new_user_and_ends_where_it_is_cut_off(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    before, after = [await nats_server.add_module(slug) for slug in ("mover", "moved")]
    told = Told(_bootstrap(tmp_path, _FIRST, nats_user=before[0], nats_password=before[1]))
    client = await connect(
        nats_server.url, user=lambda: told.now.nats_user, password=lambda: told.now.nats_password, name="mover"
    )
    with pytest.raises(ExceptionGroup) as raised:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stay_connected, client, told)

            _tell(tmp_path, _bootstrap(tmp_path, _FIRST, nats_user=after[0], nats_password=after[1]))
            with anyio.fail_after(PATIENCE_S):
                while client.stats["reconnects"] == 0:  # noqa: ASYNC110 nats-py has no event for it
                    await anyio.sleep(0.02)
            await settled(client)

            await client.close()  # as nats-py does where the server says that there is no such user

    assert raised.group_contains(AuthorizationError)


def _bootstrap(folder: Path, key: SigningKey, **more: object) -> ModuleBootstrap:
    plain = ModuleBootstrap(
        module="mover",
        database_url="postgresql://first",
        relay_url="",
        nats_url="",
        nats_user="mover",
        nats_password="",
        router_keys={key.kid: _hex(key)},
        renewed=str(folder / "told.json"),
    )
    return msgspec.structs.replace(plain, **more)


def _tell(folder: Path, bootstrap: ModuleBootstrap) -> None:
    draft = folder / "draft"
    draft.write_bytes(msgspec.json.encode(bootstrap))
    os.replace(draft, folder / "told.json")


def _kids(keys: RouterKeys) -> list[str]:
    return [key.kid for key in (_SECOND, _FIRST) if key.kid in keys]


def _hex(key: SigningKey) -> str:
    return public_bytes(key.public).hex()
