"""What the command line shows of a running platform: its state, addresses, logs, and what goes through it."""

from pathlib import Path
from typing import Annotated

import typer

from mewayz.folders import folders_of
from mewayz.options import AsJson, Data, MetricsToken
from shared.wire import control

look = typer.Typer()


@look.command()
def status(data: Data = Path("var"), as_json: AsJson = False) -> None:
    """Show what runs, what does not, and why"""
    from mewayz.runtime.client import ask
    from mewayz.status import as_text, printed

    found = ask(folders_of(data), control.GetStatus(), control.Status)
    typer.echo(printed(found) if as_json else as_text(found))


@look.command()
def top(
    data: Data = Path("var"),
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, after one interval, and end")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a look")] = False,
    metrics_token: MetricsToken = None,
) -> None:
    """Watch modules, requests and events live"""
    from contextlib import suppress

    import anyio

    from mewayz.top import show

    with suppress(KeyboardInterrupt):
        given = {"interval_s": interval, "once": once, "as_json": as_json, "metrics_token": metrics_token}
        anyio.run(lambda: show(folders_of(data), **given))


@look.command()
def errors(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/errors.md")] = False,
) -> None:
    """List every error code there is, and what it means"""
    import msgspec

    from mewayz.error_catalogue import as_markdown, as_text, catalogue

    found = catalogue()
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        typer.echo(as_markdown(found) if markdown else as_text(found), nl=not markdown)


@look.command()
def urls(data: Data = Path("var")) -> None:
    """Print the addresses of what runs"""
    from mewayz.runtime.client import ask

    found = ask(folders_of(data), control.GetStatus(), control.Status)
    typer.echo(f"API       {found.api}\nGraphiQL  {found.graphiql}")


@look.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="A module, or router, supervisor, postgres, nats, zygote")] = None,
    data: Data = Path("var"),
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many lines of each log")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing")] = False,
) -> None:
    """Print the end of the logs"""
    from mewayz.status import log_lines

    for line in log_lines(folders_of(data).log, name, lines=lines, follow=follow):
        typer.echo(line)
