"""Servers of one's own: `MEWAYZ_DATABASE_URL` and `MEWAYZ_NATS_URL` instead of the embedded ones."""

from pathlib import Path

import pytest

from tests.services import NatsServer, Platform

pytestmark = [pytest.mark.timeout(90), pytest.mark.xdist_group("external")]


def test_the_platform_runs_on_servers_of_ones_own(
    tmp_path: Path, postgres_admin_url: str, nats_server: NatsServer
) -> None:
    urls = ("--database-url", postgres_admin_url, "--nats-url", nats_server.admin_url)
    with Platform(tmp_path / "data", "--modules", "identity,crm", "--demo-scale", "0", *urls, demo=True) as platform:
        status = platform.status()
        roles = platform.run("secrets", "rotate", "databases")
        users = platform.run("secrets", "rotate", "nats")
        platform.run("restart", "crm")  # which logs in anew
        answer = platform.graphql("{ customers { totalCount } }", token=platform.token("lumen"))

    assert "5 roles have another password" in roles.stdout
    assert users.returncode == 1
    assert users.stderr.startswith("✘ The NATS server is none of ours: change its users there")
    assert status["postgres"]["pid"] is None
    assert status["nats"]["pid"] is None
    assert "@" not in status["postgres"]["url"] + status["nats"]["url"]
    assert answer["data"]["customers"]["totalCount"] >= 5
    assert not (tmp_path / "data" / "postgres").exists()
