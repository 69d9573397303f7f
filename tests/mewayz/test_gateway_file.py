"""The operator's file of host names, pages, proxies and plans: read, or refused in one sentence; docs show one that is right."""

import re
from pathlib import Path

import pytest

from mewayz.failures import WrongGatewayFile
from mewayz.gateway_file import read
from mewayz.settings import Settings
from router.gateway.settings import Quota, settings_of
from shared.wire.bootstrap import Edge, RouterBootstrap

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_what_the_documentation_shows_reaches_the_gateway(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)
    file = tmp_path / "gateway.toml"
    file.write_text(shown)

    told = Settings(data="", edge=read(file))

    here = {"host": "", "port": 0, "supergraph": "", "data": "", "module_url": "", "signing_key": ""}
    settings = settings_of(RouterBootstrap(**here, supervisor_socket=None, edge=told.edge))
    assert settings.hosts == ("api.example.com",)
    assert settings.origins == ("https://app.example.com",)
    assert settings.proxies == ("10.0.0.0/8",)
    assert settings.plans["FREE"] == Quota(600, 60_000)


def test_without_a_file_nothing_is_restricted() -> None:
    assert read(None) == Edge()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hosts = 'api.example.com'", "hosts"),
        ("host = ['api.example.com']", "unknown field `host`"),
        ("hosts = ['https://api.example.com']", "no host name"),
        ("origins = ['https://app.example.com/']", "no origin"),
        ("origins = ['*']", "no origin"),
        ("proxies = ['10.0.0.0/99']", "10.0.0.0/99"),
        ("[plans.FREE]\nrequests_per_minute = 0\ncost_per_minute = 1", "requests_per_minute"),
        ("[plans.FREE]\nrequests_per_minute = 5", "cost_per_minute"),
        ("hosts = [", "can't be used"),
        ("\udce9", "can't be used"),
        (None, "No such file"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_starts(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "gateway.toml"
    if text is not None:
        file.write_text(text, errors="surrogateescape")

    with pytest.raises(WrongGatewayFile, match=re.escape(words)):
        read(file)
