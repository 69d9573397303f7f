"""A supergraph that was read is kept in a file: the next start reads that in a fraction of the time.

The file is pickled, so it only counts where nobody but the owner of this process can have written it, and its name holds a
hash of the SDL and of the code that reads SDL: another supergraph, or another version of the code, has another file.
"""

import hashlib
import os
import pickle
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import cast

import structlog
from graphql import DocumentNode, GraphQLSchema
from graphql import version as graphql_version

from router import supergraph as reader
from router.supergraph.api_schema import api_document, schema_of
from router.supergraph.model import Supergraph
from router.supergraph.sdl import parse_supergraph

log = structlog.get_logger()


def read_supergraph(text: str, folder: Path | None) -> tuple[Supergraph, GraphQLSchema]:
    """Return a supergraph's model and the schema that clients see, from `folder` where they were kept before.

    Raises InvalidSupergraph.
    """
    path = None if folder is None else folder / f"supergraph-{_digest(text)}.pickle"
    found = None if path is None else _kept(path)
    if found is None:
        supergraph = parse_supergraph(text)
        found = supergraph, api_document(supergraph)
        if path is not None:
            _keep(path, found)
    return found[0], schema_of(found[1])


def _kept(path: Path) -> tuple[Supergraph, DocumentNode] | None:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                log.warning("kept_supergraph_refused", path=str(path))
                return None
            return cast("tuple[Supergraph, DocumentNode]", pickle.load(file))  # noqa: S301 - ours, see above
    except FileNotFoundError:
        return None
    except Exception as error:  # half a file, or one of another Python: what a pickle may raise is without bound
        log.warning("kept_supergraph_unreadable", path=str(path), error=repr(error))
        return None


def _keep(path: Path, made: tuple[Supergraph, DocumentNode]) -> None:
    """Write the file whole or not at all, and remove those of other supergraphs."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".supergraph-", delete=False) as file:
            pickle.dump(made, file, pickle.HIGHEST_PROTOCOL)
        Path(file.name).replace(path)
        for other in path.parent.glob("supergraph-*.pickle"):
            if other != path:
                other.unlink(missing_ok=True)
    except (OSError, RecursionError) as error:  # a start without it is slower, and as good
        log.warning("supergraph_not_kept", path=str(path), error=repr(error))


def _digest(text: str) -> str:
    return hashlib.sha256(_code() + text.encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def _code() -> bytes:
    """Return a hash of the code that reads SDL."""
    digest = hashlib.sha256(graphql_version.encode())
    for file in sorted(Path(reader.__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()
