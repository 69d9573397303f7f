"""`mewayz events`: what operators see of events, and what they can do about them."""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from mewayz.folders import folders_of
from mewayz.options import AsJson, Data
from shared.errors import InvalidInput
from shared.wire import control

events = typer.Typer(help="Events: parked ones, their way, the stream's health", no_args_is_help=True)
parked = typer.Typer(help="Events that a handler could not apply, and those behind them", no_args_is_help=True)
events.add_typer(parked, name="parked")

Module = Annotated[str, typer.Option(help="The module, such as invoicing")]
AnyModule = Annotated[str | None, typer.Option(help="Only this module")]
Tenant = Annotated[str, typer.Option(help="The tenant's slug or id")]
AnyTenant = Annotated[str | None, typer.Option(help="Only this tenant: its slug or id")]
Key = Annotated[str, typer.Option(help="The aggregate, as `list` prints it: Deal/<id>")]
AnyKey = Annotated[str | None, typer.Option(help="Only this aggregate: Deal/<id>")]
EventId = Annotated[UUID, typer.Argument(help="The event's id")]


class NoSuchEvent(InvalidInput):
    """No module has written, or holds parked, an event of this id."""

    code = "NO_SUCH_EVENT"


class StillParked(InvalidInput):
    """A key failed again at its replay."""

    code = "STILL_PARKED"


class NotTold(InvalidInput):
    """Of some rows a module that keeps copies could not be told."""

    code = "NOT_TOLD"


class DamagedStream(InvalidInput):
    """The audit found faults."""

    code = "DAMAGED_STREAM"


@parked.command("list")
def list_parked(
    module: AnyModule = None,
    tenant: AnyTenant = None,
    key: AnyKey = None,
    data: Data = Path("var"),
    as_json: AsJson = False,
) -> None:
    """List what is parked: the first event of a key with its error, then those that wait behind it"""
    found = _operate(data, "parked_list", module, tenant=tenant, key=key)
    rows = found["first"]
    if as_json:
        _print_json(rows)
        rows = []
    for row in rows:
        error = (row["error"] or "waits behind").splitlines()[0]
        where = f"{row['module']}  {row['tenant_id']}  {row['key']}  {row['sequence']}"
        typer.echo(f"{where}  {row['type']}  {row['event_id']}  tries {row['attempts']}  {error}")
    shown = len(found["first"])
    more = "" if shown == found["total"] else f", {shown} of them shown: --module, --tenant and --key choose"
    typer.echo(f"{found['total']} parked{more}", err=True)


@parked.command("show")
def show_parked(event: EventId, data: Data = Path("var")) -> None:
    """Show a parked event with its error and the bytes it came in"""
    rows = _operate(data, "parked_show", None, event=str(event))
    if not rows:
        raise NoSuchEvent(f"No event {event} is parked: `mewayz events show {event}` tells where it is.")
    _print_json(rows)


@parked.command("replay")
def replay(module: Module, tenant: AnyTenant = None, key: AnyKey = None, data: Data = Path("var")) -> None:
    """Apply parked events in order, once their handler is mended; those that fail again stay parked"""
    rows = _operate(data, "parked_replay", module, tenant=tenant, key=key)
    for row in rows:
        typer.echo(f"{row['tenant']}  {row['key']}  " + (row["error"] or f"{row['applied']} applied"))
    failed = sum(row["error"] is not None for row in rows)
    if failed:
        raise StillParked(f"{failed} of {len(rows)} keys are parked still: mend the handler, or skip the event.")
    typer.echo(f"{len(rows)} keys replayed", err=True)


@parked.command("skip")
def skip(
    module: Module,
    tenant: Tenant,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the event")],
    data: Data = Path("var"),
) -> None:
    """Drop the first parked event of a key, and keep it with the reason; replay those behind it afterwards"""
    event = _operate(data, "parked_skip", module, tenant=tenant, key=key, reason=reason)
    typer.echo(f"{event} skipped; now: mewayz events parked replay --module {module} --tenant {tenant} --key {key}")


@events.command("show")
def show(event: EventId, data: Data = Path("var"), as_json: AsJson = False) -> None:
    """Follow one event: written, sent, on the stream, applied or waiting in each module that hears it"""
    found = _operate(data, "show", None, event=str(event))
    if found is None:
        raise NoSuchEvent(f"No module has sent an event {event} in the last 31 days.")
    if as_json:
        return _print_json(found)
    envelope, stream = found["envelope"], found["stream"]
    typer.echo(
        f"{envelope['type']}  {envelope['aggregatetype']}/{envelope['subject']}  sequence {envelope['sequence']}"
    )
    typer.echo(f"written   {found['written_at']}  by {found['module']}")
    typer.echo(f"sent      {found['sent_at'] or 'not yet: is NATS away?'}")
    place = f"{stream['time']}  message {stream['sequence']}" if stream else "not there: see `mewayz events audit`"
    typer.echo(f"stream    {place}")
    for one in found["heard"]:
        typer.echo(f"{one['module']:<9} {one['at'] or '':<32}  {one['state']}  {one['note'] or ''}".rstrip())
    return None


@events.command("audit")
def audit(data: Data = Path("var"), as_json: AsJson = False) -> None:
    """Compare what every module has sent with what lies on the stream; exit 1 if it has lost anything"""
    found = _operate(data, "audit", None)
    if as_json:
        _print_json(found)
    else:
        _print_audit(found)
    if found["faults"]:
        raise DamagedStream("The stream is damaged: `mewayz events refill` publishes what is missing again.")


@events.command("refill")
def refill(data: Data = Path("var")) -> None:
    """Publish what the stream has lost again, from the modules' copies; modules that lost events stop meanwhile"""
    found = _operate(data, "audit", None)
    concerned = [slug for slug, one in found["modules"].items() if one["missing"]]
    for slug in concerned:
        _ask(data, control.Stop(slug))
    try:
        found = _operate(data, "refill", None)
    finally:
        for slug in concerned:
            _ask(data, control.Start(slug))
    _print_audit(found)
    typer.echo(f"{found['published']} events published again", err=True)


@events.command("rebuild")
def rebuild(
    module: Annotated[str, typer.Argument(help="The module, such as invoicing")], data: Data = Path("var")
) -> None:
    """Bring a module up to others: tell it of rows older than the stream of which it keeps copies, deliver all events again"""
    untold = _tell_state(data, module) if _operate(data, "kept", module) else 0
    waiting = _operate(data, "rebuild", module)
    typer.echo(f"{waiting} events are on their way to {module}; its inbox drops those it knows.")
    if untold:
        raise NotTold(f"{module} could not be told of {untold} rows: mend what is said above, then rebuild it again.")


@events.command("tail")
def tail(
    tenant: AnyTenant = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only this type: deal.close.won, or deal.>")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the newest to begin with")] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f", help="Go on with new ones")] = True,
    data: Data = Path("var"),
    as_json: AsJson = False,
) -> None:
    """Print events as they come"""
    import anyio

    from mewayz.events_tail import tail as print_tail

    url = _ask(data, control.GetBroker()).url
    assert url is not None
    wanted = _operate(data, "tenant", None, tenant=tenant) if tenant else "*"
    anyio.run(print_tail, url, f"evt.{wanted}.{event_type or '>'}", lines, follow, as_json)


def _tell_state(data: Path, module: str) -> int:
    """Have a module that stands still told of others' rows, in portions; return of how many it could not be."""
    at, count, untold = "", 0, 0
    _ask(data, control.Stop(module))
    try:
        while at is not None:
            portion = _operate(data, "tell_state", module, at=at)
            at, count, untold = portion["at"], count + portion["count"], untold + portion["untold"]
            for reason in portion["reasons"]:
                typer.echo(f"✘ {reason}", err=True)
            if at is not None:
                typer.echo(f"{count} rows so far, now {portion['model']} of {portion['owner']}", err=True)
    finally:
        _ask(data, control.Start(module))
    typer.echo(f"{count} rows of others, of which {module} keeps copies, were gone through.")
    return untold


def _operate(data: Path, task: str, module: str | None, **arguments: str | None) -> Any:
    from mewayz.runtime.client import operate

    given = {name: value for name, value in arguments.items() if value is not None}
    return operate(folders_of(data), control.Operate(task, module, given))


def _ask(data: Path, request: control.Request) -> control.Answer:
    from mewayz.runtime.client import command

    return command(folders_of(data), request)


def _print_audit(found: Any) -> None:
    stream = found["stream"]
    typer.echo(f"stream    {stream['messages']} messages, {stream['first_sequence']} to {stream['last_sequence']}")
    for slug, one in found["modules"].items():
        missing = f"  {one['missing']} MISSING, first {one['first_missing'][0]}" if one["missing"] else ""
        typer.echo(f"{slug:<9} {one['sent']} sent, {one['waiting']} waiting{missing}")
    for fault in found["faults"]:
        typer.echo(f"✘ {fault}")


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.encode(value).decode())
