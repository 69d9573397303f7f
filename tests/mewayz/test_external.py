"""Servers of one's own: `MEWAYZ_DATABASE_URL` and `MEWAYZ_NATS_URL` instead of the embedded ones."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mewayz.folders import folders_of
from tests.services import Platform, running_nats, running_postgres
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.timeout(90), pytest.mark.xdist_group("external")]
_TOKEN = "a-token-of-24-characters-"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The administrators' URLs of a PostgreSQL and a NATS that no other test uses: passwords of modules change there."""
    folders = folders_of(tmp_path / "servers")
    folders.create()
    with running_postgres(folders) as postgres, running_nats(folders) as nats:
        yield postgres, nats.admin_url


def test_the_platform_runs_on_servers_of_ones_own(
    tmp_path: Path, servers: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres, nats = servers
    monkeypatch.setenv("MEWAYZ_DATABASE_URL", postgres)
    monkeypatch.setenv("MEWAYZ_METRICS_TOKEN", _TOKEN)
    options = ("--modules", "identity,crm", "--demo-scale", "0", "--nats-url", nats)
    with Platform(tmp_path / "data", *options, demo=True) as platform:
        status = platform.status()
        inherited = [psutil.Process(one["pid"]).environ() for one in (status["router"], *status["modules"])]
        seen = [_metrics(platform.port, token) for token in (_TOKEN, "guessed")]
        roles = platform.run("secrets", "rotate", "databases")
        users = platform.run("secrets", "rotate", "nats")
        platform.run("restart", "crm")  # which logs in anew
        answer = platform.graphql("{ customers { totalCount } }", token=platform.token("lumen"))

    assert seen == [200, 404]
    assert not [name for one in inherited for name in one if name.startswith("MEWAYZ_")]
    assert "5 roles have another password" in roles.stdout
    assert users.returncode == 1
    assert users.stderr.startswith("✘ The NATS server is none of ours: change its users there")
    assert status["postgres"]["pid"] is None
    assert status["nats"]["pid"] is None
    assert "@" not in status["postgres"]["url"] + status["nats"]["url"]
    assert answer["data"]["customers"]["totalCount"] >= 5
    assert not (tmp_path / "data" / "postgres").exists()


def _metrics(port: int, token: str) -> int:
    """Return the status of /metrics for whoever asks through a proxy with a token."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics", headers={"authorization": f"Bearer {token}", "via": "1.1 proxy"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status
