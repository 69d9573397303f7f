"""`mewayz compose`: the printed files under schema/ from the modules' code, or any subgraphs by a configuration."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import yaml

from mewayz.events_schema import breaking_changes, misreadings, read_events
from mewayz.modules import REPOSITORY, module_folders, slugs
from router.composition import Composition, HintLevel, Subgraph, compose
from router.gateway.commands.connection import GATEWAY
from router.gateway.commands.subgraph import SDL
from shared.errors import InvalidInput, MewayzError
from shared.events.subscription import subscription_to
from shared.module import Module, load
from shared.wire.envelope import Event

SCHEMA = REPOSITORY / "schema"


def compose_modules(
    *, check: bool, into: Path = SCHEMA, modules_from: Sequence[str] = (), require_tenancy: bool = False
) -> int:
    """Write what the modules say to `into`, or with `check` only compare; return the exit code.

    It needs no database, broker or setting. Files: `subgraphs/<slug>.graphql`, `supergraph.graphql`, `events.json`.
    """
    modules = load_modules(modules_from)
    sdls = {module.slug: module.sdl() for module in modules}
    sdls[GATEWAY] = SDL  # answered in the router's own process
    subgraphs = [Subgraph(name=slug, url=f"module:{slug}", sdl=sdl) for slug, sdl in sdls.items()]
    composition = compose(subgraphs, require_tenancy=require_tenancy)
    _report(composition)
    if composition.sdl is None:
        return 1
    files = {into / "subgraphs" / f"{slug}.graphql": sdl for slug, sdl in sdls.items()}
    files[into / "supergraph.graphql"] = composition.sdl
    published = events(modules)
    if broken := breaking_changes(read_events(into / "events.json"), published):
        print(*broken, "Raise the event's version, or keep what is there.", sep="\n", file=sys.stderr)
        return 1
    if misread := misreadings(published, _readings(modules)):
        print(*misread, "Let the reader take it, or the publisher say less.", sep="\n", file=sys.stderr)
        return 1
    files[into / "events.json"] = _as_json(published)
    files = {path: content.rstrip() + "\n" for path, content in files.items()}
    stale = [path for path in into.glob("subgraphs/*.graphql") if path not in files]
    differing = [path for path, content in files.items() if not path.exists() or path.read_text() != content]
    if check:
        return _tell_differences([*differing, *stale])
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    for path in stale:
        path.unlink()
    return 0


def load_modules(modules_from: Sequence[str] = ()) -> list[Module]:
    """Import every module into this process. Raises BrokenModule."""
    import subgraphs

    folders = module_folders(modules_from)
    subgraphs.__path__.extend(folder for folder in modules_from if folder not in subgraphs.__path__)
    return [_loaded(slug) for slug in slugs(folders)]


def events(modules: Iterable[Module]) -> dict[str, Any]:
    """Return each published event type with its module, version, payload as JSON Schema, and who hears it."""
    listed = list(modules)
    found = {
        kind.type: {
            "module": module.slug,
            "aggregate": kind.aggregate,
            "version": kind.schema_version,
            "payload": kind.model_json_schema(by_alias=True, mode="serialization"),
            "consumers": sorted(one.slug for one in listed if subscription_to(one.subscriptions, kind.type)),
        }
        for module in listed
        for kind in module.published.values()
    }
    return dict(sorted(found.items()))


def compose_config(config: Path, output: Path | None, *, as_json: bool, require_tenancy: bool = False) -> int:
    """Compose the subgraphs that a `rover supergraph compose` file names; return the exit code: 0, or 1 for errors.

    The supergraph, or with `as_json` a document of supergraph, errors and hints, goes to `output`, else to standard
    output. Raises WrongConfiguration.
    """
    composition = compose(read_config(config), require_tenancy=require_tenancy)
    if as_json:
        document = {
            "supergraph": composition.sdl,
            "errors": [asdict(error) for error in composition.errors],
            "hints": [{**asdict(hint), "level": hint.level.name} for hint in composition.hints],
        }
        _put(output, _as_json(document))
    else:
        _report(composition)
        if composition.sdl is not None:
            _put(output, composition.sdl)
    return 0 if composition.sdl is not None else 1


def read_config(config: Path) -> list[Subgraph]:
    """Return the subgraphs of a file `subgraphs: {name: {routing_url, schema: {file}}}`. Raises WrongConfiguration.

    A schema's path is relative to the configuration's folder.
    """
    try:
        content = msgspec.convert(yaml.safe_load(config.read_text()), _Configuration)
        return list(_subgraphs(content, config.parent))
    except (OSError, UnicodeDecodeError) as error:
        raise WrongConfiguration(f"{config}: {error}") from None
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise WrongConfiguration(f"{config} is no composition file: {error}") from None


class WrongConfiguration(InvalidInput):
    """The configuration, or a file it names, can't be read."""

    code = "WRONG_CONFIGURATION"


class BrokenModule(InvalidInput):
    """A module's code can't be imported."""

    code = "BROKEN_MODULE"


class _Schema(msgspec.Struct):
    file: str | None = None
    sdl: str | None = None


class _Subgraph(msgspec.Struct):
    schema: _Schema
    routing_url: str = ""


class _Configuration(msgspec.Struct):
    subgraphs: dict[str, _Subgraph]


def _subgraphs(configuration: _Configuration, folder: Path) -> Iterator[Subgraph]:
    for name, subgraph in configuration.subgraphs.items():
        if subgraph.schema.file is None and subgraph.schema.sdl is None:
            raise WrongConfiguration(f"Subgraph {name} has no schema: write schema: {{file: PATH}}.")
        sdl = subgraph.schema.sdl or (folder / (subgraph.schema.file or "")).read_text()
        yield Subgraph(name=name, url=subgraph.routing_url, sdl=sdl)


def _loaded(slug: str) -> Module:
    try:
        return load(slug)
    except MewayzError:
        raise
    except Exception as error:
        raise BrokenModule(f"Module {slug} can't be imported: {type(error).__name__}: {error}") from error


def _readings(modules: Iterable[Module]) -> Iterator[tuple[str, type[Event]]]:
    for module in modules:
        for subscription in module.subscriptions.values():
            if subscription.reading is not None:
                yield module.slug, subscription.reading


def _report(composition: Composition) -> None:
    notable = [hint for hint in composition.hints if hint.level > HintLevel.DEBUG]
    for finding in (*composition.errors, *notable):
        print(finding, file=sys.stderr)


def _tell_differences(paths: list[Path]) -> int:
    for path in sorted(paths):
        print(f"{path} is not what the modules say: run ./justw compose, and commit it.", file=sys.stderr)
    return 1 if paths else 0


def _put(output: Path | None, content: str) -> None:
    if output is None:
        print(content.rstrip())
    else:
        output.write_text(content.rstrip() + "\n")


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
