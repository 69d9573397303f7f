"""The command line: thin, and quick to show its help; everything heavy is imported inside a command."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mewayz.audit import audit
from mewayz.db import db
from mewayz.events import events
from mewayz.failures import StartFailure
from mewayz.folders import folders_of
from mewayz.look import look
from mewayz.options import AsJson, Data, GatewayFile, MetricsToken
from mewayz.privacy import privacy
from mewayz.secrets import secrets
from shared.errors import MewayzError
from shared.wire import control

app = typer.Typer(
    name="mewayz",
    help="An open, modular business platform on a federated GraphQL supergraph.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
demo = typer.Typer(help="Demo data", no_args_is_help=True)
app.add_typer(demo, name="demo")
app.add_typer(events, name="events")
app.add_typer(db, name="db")
app.add_typer(audit, name="audit")
app.add_typer(look)
app.add_typer(privacy, name="privacy")
app.add_typer(secrets, name="secrets")

Name = Annotated[str, typer.Argument(help="The module's name, such as crm")]
ModulesFrom = Annotated[list[Path] | None, typer.Option(help="A further folder of modules")]


@app.command()
def up(
    data: Data = Path("var"),
    port: Annotated[int, typer.Option(help="The API's port", envvar="MEWAYZ_PORT")] = 8000,
    host: Annotated[str, typer.Option(help="The API's address", envvar="MEWAYZ_HOST")] = "127.0.0.1",
    modules: Annotated[str | None, typer.Option(help="Only these modules: a,b")] = None,
    modules_from: ModulesFrom = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Load demo data on the first start")] = True,
    demo_scale: Annotated[float, typer.Option(help="How much demo data: 1 is a company's whole history")] = 0.02,
    eager: Annotated[
        bool | None, typer.Option("--eager/--lazy", help="Start all modules now; else when needed")
    ] = None,
    idle: Annotated[
        float, typer.Option(envvar="MEWAYZ_IDLE_S", help="Seconds until an idle module sleeps; 0: never")
    ] = 600,
    memory: Annotated[int, typer.Option(envvar="MEWAYZ_MEMORY_MB", help="A module's ceiling in MB")] = 1024,
    database_url: Annotated[str | None, typer.Option(envvar="MEWAYZ_DATABASE_URL", help="A real PostgreSQL")] = None,
    nats_url: Annotated[str | None, typer.Option(envvar="MEWAYZ_NATS_URL", help="A real NATS")] = None,
    gateway: GatewayFile = None,
    metrics_token: MetricsToken = None,
    clock: Annotated[str | None, typer.Option(envvar="MEWAYZ_CLOCK", help="file:PATH shifts business time")] = None,
    log_level: Annotated[str, typer.Option(envvar="MEWAYZ_LOG_LEVEL")] = "info",
    supergraph: Annotated[Path | None, typer.Option(help="Another composed schema")] = None,
) -> None:
    """Start everything on this machine, until Ctrl-C"""
    from mewayz.gateway_file import read as read_edge
    from mewayz.progress import screen
    from mewayz.runtime.up import up as run_up
    from mewayz.settings import Settings

    settings = Settings(
        data=str(data.expanduser().resolve()),
        host=host,
        port=port,
        modules=modules.split(",") if modules else None,
        modules_from=_paths(modules_from),
        demo=demo,
        demo_scale=demo_scale,
        eager=eager,
        idle_s=idle,
        memory_mb=memory,
        database_url=database_url,
        nats_url=nats_url,
        edge=read_edge(gateway),
        metrics_token=metrics_token,
        clock=clock,
        log_level=log_level,
        supergraph=str(supergraph.resolve()) if supergraph else None,
    )
    raise typer.Exit(run_up(settings, screen()))


@app.command()
def down(data: Data = Path("var")) -> None:
    """Stop everything; nothing is lost"""
    from mewayz.folders import Lock
    from mewayz.runtime.client import command

    folders = folders_of(data)
    command(folders, control.Shutdown())
    Lock(folders).wait_until_free()


@app.command()
def doctor(
    data: Data = Path("var"),
    port: Annotated[int, typer.Option(help="The API's port", envvar="MEWAYZ_PORT")] = 8000,
    host: Annotated[str, typer.Option(help="The API's address", envvar="MEWAYZ_HOST")] = "127.0.0.1",
) -> None:
    """Tell what is in the way of a start, and try one in a temporary folder"""
    from mewayz.doctor import doctor as examine
    from mewayz.progress import screen
    from mewayz.settings import Settings

    raise typer.Exit(examine(Settings(data=str(data.expanduser().resolve()), port=port, host=host), screen()))


@app.command()
def start(name: Name, data: Data = Path("var")) -> None:
    """Let a stopped or parked module run again"""
    _command(data, control.Start(name))


@app.command()
def stop(
    name: Name, data: Data = Path("var"), kill: Annotated[bool, typer.Option(help="SIGKILL instead of SIGTERM")] = False
) -> None:
    """Hold a module down, also against requests and events, until it is started again"""
    _command(data, control.Stop(name, kill))


@app.command()
def restart(name: Name, data: Data = Path("var")) -> None:
    """Stop a module and start it again, with its code as it is now"""
    _command(data, control.Restart(name))


@app.command()
def token(
    tenant: Annotated[str, typer.Option(help="The tenant's slug, such as lumen")],
    user: Annotated[str | None, typer.Option(help="A user's e-mail; without it the tenant's owner")] = None,
    data: Data = Path("var"),
) -> None:
    """Print an access token for ten minutes, and nothing else"""
    typer.echo(_command(data, control.GetToken(tenant, user)).token)


@demo.command("logins")
def logins(data: Data = Path("var")) -> None:
    """Print the demo logins with their passwords"""
    for login in _command(data, control.GetLogins()).logins or []:
        typer.echo(f"{login.email}\t{login.password}\t{login.tenant}\t{login.role}")


@app.command()
def compose(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file differs")] = False,
    config: Annotated[Path | None, typer.Option(help="Compose the subgraphs this YAML file names")] = None,
    output: Annotated[Path | None, typer.Option(help="With --config: where to write the supergraph")] = None,
    output_format: Annotated[str, typer.Option("--format", help="text or json")] = "text",
    into: Annotated[Path | None, typer.Option(help="Another folder than schema/")] = None,
    require_tenancy: Annotated[bool, typer.Option(help="Every type must say whose data it is")] = False,
    modules_from: ModulesFrom = None,
) -> None:
    """Compose all modules into schema/, or other subgraphs by a configuration"""
    from mewayz.compose import SCHEMA, WrongConfiguration, compose_config, compose_modules

    if output_format not in ("text", "json"):
        raise typer.BadParameter("--format is text or json")
    if config is None:
        folders = _paths(modules_from)
        code = compose_modules(check=check, into=into or SCHEMA, modules_from=folders, require_tenancy=require_tenancy)
        raise typer.Exit(code)
    try:
        as_json = output_format == "json"
        raise typer.Exit(compose_config(config, output, as_json=as_json, require_tenancy=require_tenancy))
    except WrongConfiguration as error:
        raise typer.BadParameter(error.message) from None


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A supergraph file")],
    new: Annotated[Path, typer.Argument(help="The supergraph that would follow it")],
    operations: Annotated[Path | None, typer.Option(help="A folder of stored operations to judge")] = None,
    output_format: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Tell what a new supergraph changes for clients; exit 1 if one may break"""
    from mewayz.diff import UnreadableSchema, diff_files

    if output_format not in ("text", "json"):
        raise typer.BadParameter("--format is text or json")
    try:
        raise typer.Exit(diff_files(old, new, operations, as_json=output_format == "json"))
    except UnreadableSchema as error:
        raise typer.BadParameter(error.message) from None


@app.command()
def explain(
    query: Annotated[str, typer.Argument(help="A GraphQL document, or @FILE")],
    supergraph: Annotated[Path, typer.Option(help="The composed schema")] = Path("schema/supergraph.graphql"),
    variables: Annotated[str, typer.Option(help="JSON; they count where @skip, @include and @defer name them")] = "{}",
    operation: Annotated[str | None, typer.Option(help="Which operation of the document")] = None,
    as_json: AsJson = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flow chart")] = False,
) -> None:
    """Show which modules an operation asks for what, and what is lost without each"""
    from mewayz.explain import NotExplained
    from mewayz.explain import explain as explained

    try:
        text = Path(query[1:]).read_text("utf-8") if query.startswith("@") else query
        form = "json" if as_json else "mermaid" if mermaid else "text"
        typer.echo(explained(text, supergraph, variables=variables, operation=operation, form=form))
    except (NotExplained, OSError) as error:
        raise typer.BadParameter(str(error)) from None


@app.command("prove-isolation")
def prove_isolation(
    as_json: AsJson = False,
    short: Annotated[bool, typer.Option("--short", help="Ids and keys only, without commands and filters")] = False,
) -> None:
    """Prove that no query reaches another company's data, on two companies of its own"""
    from mewayz.prove import prove_isolation as prove

    raise typer.Exit(prove(short=short, as_json=as_json))


@app.command("new-module")
def new_module(
    name: Annotated[str, typer.Argument(help="The new module's name: small letters, digits and _, such as loyalty")],
    entity: Annotated[str | None, typer.Option(help="Its first entity, such as LoyaltyCard")] = None,
) -> None:
    """Write a module that runs, composes and passes the conformance suite"""
    import anyio

    from mewayz.compose import compose_modules
    from mewayz.modules import REPOSITORY
    from mewayz.new_module import draft_migration, write_module

    written = write_module(name, REPOSITORY / "subgraphs", entity=entity)
    revision = anyio.run(draft_migration, name, "first tables")
    for path in (*written, *([revision] if revision else [])):
        typer.echo(path.relative_to(REPOSITORY))
    if exit_code := compose_modules(check=False):
        raise typer.Exit(exit_code)
    typer.echo(
        f"schema/ has it too. Next: ./justw up; its tests: ./justw test -k {name}; the guide: docs/module-guide.md"
    )


@app.command()
def migration(
    name: Name, message: Annotated[str, typer.Argument(help='What changes, in few words: "add priority"')]
) -> None:
    """Write the migration that brings a module's database to its models"""
    import anyio

    from mewayz.modules import chosen, module_folders, slugs
    from mewayz.new_module import draft_migration

    chosen(slugs(module_folders()), [name])
    revision = anyio.run(draft_migration, name, message)
    typer.echo(revision if revision else f"Nothing to do: the migrations of {name} lead to its models.")


@app.command("serve-module")
def serve_module(
    module: Name,
    bootstrap: Annotated[Path, typer.Option(help="A JSON file of ModuleBootstrap; - is standard input")],
    host: Annotated[str, typer.Option()] = "0.0.0.0",
    port: Annotated[int, typer.Option()] = 8000,
    path: Annotated[Path | None, typer.Option("--socket", help="A Unix socket instead of a port")] = None,
) -> None:
    """Serve one module in this process, as a container does"""
    from mewayz.serve import serve_module as serve

    serve(module, bootstrap, host=host, port=port, path=path)


@app.command("serve-router")
def serve_router(
    bootstrap: Annotated[Path | None, typer.Option(help="A JSON file of RouterBootstrap; - is standard input")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Route any supergraph, without sign-in or modules")] = False,
    supergraph: Annotated[Path | None, typer.Option(help="With --plain: the composed schema")] = None,
    host: Annotated[str, typer.Option(help="With --plain")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="With --plain")] = 4000,
    data: Annotated[Path | None, typer.Option(help="With --plain: a folder of yours, for a quicker next start")] = None,
    certificate: Annotated[Path | None, typer.Option(help="A PEM file: speak TLS; SIGHUP reads it again")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key, where it is in a file of its own")] = None,
) -> None:
    """Serve the router in this process"""
    from mewayz import serve

    if plain:
        if supergraph is None:
            raise typer.BadParameter("--plain needs --supergraph FILE")
        serve.serve_plain_router(supergraph, host=host, port=port, data=data)
    elif bootstrap is not None:
        serve.serve_router(bootstrap, certificate=certificate, key=key)
    else:
        raise typer.BadParameter("give --bootstrap FILE, or --plain --supergraph FILE")


@app.command()
def provision(
    into: Annotated[Path, typer.Argument(help="Where passwords, NATS users and bootstrap files are kept")],
    users_only: Annotated[bool, typer.Option("--users", help="Only what the NATS servers start with")] = False,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Exchange keys and passwords; with --users, twice: begin, end")
    ] = False,
    database_url: Annotated[str, typer.Option(envvar="MEWAYZ_DATABASE_URL", help="An administrator's URL")] = "",
    nats_url: Annotated[str, typer.Option(envvar="MEWAYZ_NATS_URL", help="The servers' URLs, a,b,c")] = "",
    module_url: Annotated[str, typer.Option(help="Where routers find a module")] = "http://{slug}:8000/graphql",
    address: Annotated[str, typer.Option(help="The API's own address")] = "http://localhost:8000",
    replicas: Annotated[int, typer.Option(help="Copies of each stream")] = 3,
    port: Annotated[int, typer.Option(help="The routers' port")] = 8000,
    gateway: GatewayFile = None,
    metrics_token: MetricsToken = None,
    modules: Annotated[str | None, typer.Option(help="Only these modules: a,b")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Make the demo tenants too, with logins of their own")] = False,
) -> None:
    """Prepare a cluster: NATS users, databases, migrations, streams, and a bootstrap file a process"""
    import anyio

    from mewayz.gateway_file import read as read_edge
    from mewayz.modules import chosen, module_folders, slugs
    from mewayz.provision import found_tenants, write_users
    from mewayz.provision import provision as prepare

    edge = read_edge(gateway)
    wanted = chosen(slugs(module_folders([])), modules.split(",") if modules else None)
    if users_only:
        print(write_users(wanted, into, rotate=rotate))
        return
    if not database_url or not nats_url:
        raise typer.BadParameter("give --database-url and --nats-url")

    async def work() -> None:
        urls = {"database_url": database_url, "nats_url": nats_url, "module_url": module_url, "address": address}
        await prepare(
            wanted, into, **urls, replicas=replicas, port=port, edge=edge, metrics_token=metrics_token, rotate=rotate
        )
        if demo:
            print(await found_tenants(into))

    anyio.run(work)


def main() -> NoReturn:
    """Run the command line; an expected failure is printed as a sentence, with an exit code of its own."""
    try:
        app(prog_name="mewayz")
    except MewayzError as error:
        print(f"✘ {error}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, StartFailure) else 1)
    sys.exit(0)


def _command(data: Path, request: control.Request) -> control.Answer:
    from mewayz.runtime.client import command

    return command(folders_of(data), request)


def _paths(folders: list[Path] | None) -> list[str]:
    return [str(folder.resolve()) for folder in folders or []]
