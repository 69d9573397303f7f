"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(help="The data folder", envvar="MEWAYZ_DATA")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
