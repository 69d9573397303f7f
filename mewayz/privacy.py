"""`mewayz privacy`: what all modules hold of a person, as one JSON file."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from mewayz.folders import folders_of
from mewayz.options import Data
from shared.errors import Unavailable
from shared.wire import control

privacy = typer.Typer(help="Persons: what the modules hold of them", no_args_is_help=True)


class Incomplete(Unavailable):
    """Some modules did not answer."""

    code = "INCOMPLETE_EXPORT"


@privacy.callback()
def _group() -> None:  # so that `export` stays a word of the command line
    pass


@privacy.command("export")
def export(
    tenant: Annotated[str, typer.Option(help="The tenant's slug or id")],
    email: Annotated[str, typer.Option(help="The person's e-mail address")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, readable by you alone")],
    ids: Annotated[list[str] | None, typer.Option("--id", help="An id of the person: a customer, an employee")] = None,
    data: Data = Path("var"),
) -> None:
    """Write what every module holds of a person as one JSON file; exit 1 where a module did not answer

    That data was handed over is kept by module privacy and in the audit log.
    """
    from mewayz.runtime.client import operate

    asked = {"tenant": tenant, "email": email.lower(), "ids": ",".join(ids or ())}
    found: Any = operate(folders_of(data), control.Operate("export_person", None, asked))
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    rows = sum(len(one) for one in found["modules"].values())
    typer.echo(f"{found['reference']}: {rows} rows of {len(found['modules'])} modules in {output}", err=True)
    if found["missing"]:
        raise Incomplete(f"No answer of {', '.join(found['missing'])}: export again when they run.")
