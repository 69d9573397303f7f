"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

_SHORTEST_TOKEN = 24

Data = Annotated[Path, typer.Option(help="The data folder", envvar="MEWAYZ_DATA")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
GatewayFile = Annotated[
    Path | None, typer.Option(envvar="MEWAYZ_GATEWAY", help="Host names, pages, proxies and plans, in TOML")
]


def _long_enough(token: str | None) -> str | None:
    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise typer.BadParameter(
            f"at least {_SHORTEST_TOKEN} characters: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return token or None


MetricsToken = Annotated[
    str | None,
    typer.Option(
        envvar="MEWAYZ_METRICS_TOKEN", help="Who shows it may read /metrics from elsewhere", callback=_long_enough
    ),
]
