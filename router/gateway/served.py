"""The supergraph that is served now: read from its file, swapped whole when the file changes."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import anyio
import msgspec
import structlog

from router.execution.prepared import Graph, Known
from router.execution.stored import stored_operations
from router.gateway.access.scopes import Guards, guards_of
from router.supergraph.model import Supergraph, named
from shared.wire.receipt import LONGEST_WAIT
from shared.wire.span import span

_MODULE = "module:"
_TTL = re.compile(r'"(\d{1,6}[smhd])"')
_POLL_S = 1.0
_WARMED = 500  # operations

log = structlog.get_logger()


class Destination(msgspec.Struct, frozen=True):
    """Where a subgraph answers. `module` is its slug where it is one of ours, None for a foreign subgraph."""

    url: str
    module: str | None = None


class Queueable(msgspec.Struct, frozen=True):
    """A mutation field that may wait: for how long, and the name of its payload's type."""

    ttl: timedelta
    payload: str


class Serving(msgspec.Struct, frozen=True):
    """A graph with the addresses of its subgraphs, by subgraph name, its mutation fields that may wait, and its guards."""

    graph: Graph
    destinations: dict[str, Destination]
    queueables: dict[str, Queueable] = {}
    guards: Guards = Guards()


class ServedGraph:
    """Holds what is served now. A request takes `now` once and finishes on it."""

    def __init__(self, path: Path, *, module_url: str = "", data: Path | None = None) -> None:
        """Read the supergraph in `path`; `module_url` has the place `{slug}`. Raises InvalidSupergraph or OSError.

        What was read is kept in the folder `data`, for a quicker start the next time; the stored operations that lie there,
        in `operations`, are planned before anything is served.
        """
        self._path = path
        self._data = data
        self._module_url = module_url
        self._seen = self._stamp()
        self.now = self._read()

    async def reload(self) -> bool:
        """Read the file again and swap; a supergraph that can't be read is refused, and the old one goes on.

        Stored operations, and those used last, are planned before the swap: nobody waits for their plans. Requests under
        way finish on the old graph.
        """
        self._seen = self._stamp()
        known = self.now.graph.operations()[-_WARMED:]
        try:
            self.now = await anyio.to_thread.run_sync(self._read, known)
        except Exception as error:  # whatever is wrong with a new file, the old graph goes on
            log.error("supergraph_refused", path=str(self._path), error=repr(error))
            return False
        log.info("supergraph_loaded", path=str(self._path), subgraphs=len(self.now.destinations))
        return True

    async def follow(self) -> None:
        """Reload whenever the file has changed, until cancelled."""
        while True:
            await anyio.sleep(_POLL_S)
            if self._stamp() not in (self._seen, None):
                await self.reload()

    def _read(self, known: Sequence[Known] = ()) -> Serving:
        graph = Graph.from_sdl(self._path.read_text("utf-8"), folder=self._data)
        graph.warm([*((text, None, ()) for text in self._stored()), *known])
        supergraph = graph.supergraph
        return Serving(graph, destinations(supergraph, self._module_url), queueables(supergraph), guards_of(supergraph))

    def _stored(self) -> list[str]:
        folder = self._data / "operations" if self._data else None
        if folder is None or not folder.is_dir():
            return []
        try:
            return list(stored_operations(folder).values())
        except (OSError, ValueError) as error:
            log.error("operations_unreadable", path=str(folder), error=repr(error))
            return []

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


def destinations(supergraph: Supergraph, module_url: str) -> dict[str, Destination]:
    """Return where each subgraph answers; a URL `module:crm` goes through the template `module_url` (`{slug}`)."""
    return {subgraph.name: _destination(subgraph.url, module_url) for subgraph in supergraph.subgraphs}


def queueables(supergraph: Supergraph) -> dict[str, Queueable]:
    """Return the mutation fields that are marked `@queueable(ttl: "1h")`; a ttl that is none counts for nothing.

    One that is longer than commands are kept for is cut: what is said of a receipt's end has to be true.
    """
    mutation = supergraph.types.get(supergraph.roots.get("mutation", ""))
    found: dict[str, Queueable] = {}
    for field in mutation.fields.values() if mutation else ():
        written = next((one.arguments.get("ttl", "") for one in field.applied if one.name == "queueable"), "")
        if (match := _TTL.fullmatch(written)) and (ttl := span(match[1])) is not None:
            found[field.name] = Queueable(min(ttl, LONGEST_WAIT), named(field.type))
    return found


def module_destination(slug: str, module_url: str) -> Destination:
    """Return where the module with this slug answers."""
    return Destination(module_url.replace("{slug}", slug), slug)


def _destination(url: str, module_url: str) -> Destination:
    if url.startswith(_MODULE) and module_url:
        return module_destination(url.removeprefix(_MODULE), module_url)
    return Destination(url)
