"""Which modules there are: every package in a folder of modules is one; no list names them."""

from collections.abc import Sequence
from pathlib import Path

from shared.errors import InvalidInput

REPOSITORY = Path(__file__).parent.parent


def module_folders(further: Sequence[str] = ()) -> list[Path]:
    """Return the folders that hold modules: `subgraphs/`, and those given."""
    return [REPOSITORY / "subgraphs", *map(Path, further)]


def slugs(folders: Sequence[Path]) -> list[str]:
    """Return the slugs of all modules in `folders`, sorted."""
    return sorted({path.parent.name for folder in folders for path in folder.glob("*/__init__.py")})


def chosen(available: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Return the modules to run: those `wanted`, or all. Raises UnknownModule."""
    for slug in wanted or ():
        if slug not in available:
            raise UnknownModule(slug, available)
    return list(available if wanted is None else wanted)


class UnknownModule(InvalidInput):
    """There is no module of that name."""

    code = "UNKNOWN_MODULE"

    def __init__(self, slug: str, available: Sequence[str]) -> None:
        """Name it, and those there are."""
        super().__init__(f"There is no module {slug!r}: the modules are {', '.join(available)}.", module=slug)
