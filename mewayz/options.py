"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(help="The data folder", envvar="MEWAYZ_DATA")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
GatewayFile = Annotated[
    Path | None, typer.Option(envvar="MEWAYZ_GATEWAY", help="Host names, pages, proxies and plans, in TOML")
]
