"""`mewayz secrets`: other passwords and keys in the place of those there are, while everything runs."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mewayz.folders import folders_of
from mewayz.options import Data
from shared.errors import Unavailable
from shared.wire import control

secrets = typer.Typer(help="Secrets: exchange them while everything runs", no_args_is_help=True)

_DOING = {
    control.Secret.ROUTER_KEY: "the key that routers sign with",
    control.Secret.DATABASES: "the passwords of database roles",
    control.Secret.NATS: "the users of NATS: 5 s until all have moved",
}


class What(StrEnum):
    """What can be rotated: each of `control.Secret`, or all of them."""

    ROUTER_KEY = "router-key"
    DATABASES = "databases"
    NATS = "nats"
    ALL = "all"


class RotationCut(Unavailable):
    """The supervisor ended in the middle."""

    code = "ROTATION_CUT"


@secrets.callback()
def _group() -> None:  # so that `rotate` stays a word of the command line
    pass


@secrets.command("rotate")
def rotate(what: Annotated[What, typer.Argument(help="Which secrets")] = What.ALL, data: Data = Path("var")) -> None:
    """Exchange the routers' key, the passwords of database roles and administrators, the users of NATS; nothing stops

    What is cut off in the middle is brought to its end by the next start, or by rotating again.
    """
    from mewayz.runtime.client import CutOff, ask, command

    folders = folders_of(data)
    ask(folders, control.GetStatus(), control.Status)  # it says so where nothing runs
    for each in control.Secret if what is What.ALL else (control.Secret(what),):
        typer.echo(f"{each}: {_DOING[each]} ...")
        began = time.monotonic()
        try:
            done = command(folders, control.Rotate(each), timeout_s=600).result
        except CutOff:
            raise RotationCut("The supervisor ended meanwhile; the next one brings the exchange to its end.") from None
        typer.echo(f"{each}: {done} ({time.monotonic() - began:.1f} s)")
