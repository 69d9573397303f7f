"""Servers of one's own: `MEWAYZ_DATABASE_URL` and `MEWAYZ_NATS_URL` instead of the embedded ones."""

import http.client
from pathlib import Path

import psutil
import pytest

from tests.services import NatsServer, Platform

pytestmark = [pytest.mark.timeout(90), pytest.mark.xdist_group("external")]
_TOKEN = "a-token-of-24-characters-"


def test_the_platform_runs_on_servers_of_ones_own(
    tmp_path: Path, postgres_admin_url: str, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = ("--nats-url", nats_server.admin_url)
    monkeypatch.setenv("MEWAYZ_DATABASE_URL", postgres_admin_url)
    monkeypatch.setenv("MEWAYZ_METRICS_TOKEN", _TOKEN)
    with Platform(tmp_path / "data", "--modules", "identity,crm", "--demo-scale", "0", *urls, demo=True) as platform:
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
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics", headers={"authorization": f"Bearer {token}", "via": "1.1 proxy"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status
