"""`mewayz errors`: every code that a caller can meet, read from the classes that raise it and the rules that report it."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator
from types import ModuleType

import msgspec

import mewayz
import router
import router.composition
import shared
from mewayz.failures import StartFailure
from mewayz.modules import module_folders, slugs
from router.errors import RouterError
from router.gateway.protocol.http import status_of_code
from shared.errors import MewayzError, Refusal
from shared.module import load

_CODE = re.compile(r"[A-Z]{2,}(_[A-Z]+)+")
_NOT_CODES = {  # where a directive may stand
    *("FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INPUT_FIELD_DEFINITION", "INPUT_OBJECT", "ENUM_VALUE"),
    *("FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT", "VARIABLE_DEFINITION"),
}


class Known(msgspec.Struct, frozen=True, rename="camel"):
    """A code: who says it (a module, the router, ...), what it means, and its HTTP status or exit code."""

    code: str
    said_by: str
    meaning: str
    status: int | None = None


class Catalogue(msgspec.Struct, frozen=True, rename="camel"):
    """All codes, by where a caller meets them."""

    user_errors: list[Known]
    errors: list[Known]
    command_line: list[Known]
    composition: list[Known]


def catalogue() -> Catalogue:
    """Return the codes of all packages and of all modules in subgraphs/."""
    for package in (router, shared, mewayz):
        _import_all(package)
    for slug in slugs(module_folders()):
        load(slug)
    own = list(_classes(MewayzError))
    return Catalogue(
        user_errors=_sorted(_known(one) for one in own if issubclass(one, Refusal)),
        errors=_sorted(_known(one, status_of_code(one.code)) for one in _classes(RouterError)),
        command_line=_sorted(
            _known(one, one.exit_code if issubclass(one, StartFailure) else 1)
            for one in own
            if one.__module__.startswith("mewayz.") and one is not StartFailure
        ),
        composition=_sorted(_composition()),
    )


def as_markdown(found: Catalogue) -> str:
    """Return docs/errors.md."""
    parts = [
        "# Errors",
        "Printed by `./justw errors --markdown` from the code; a test compares. Codes are stable, sentences may change:"
        "\nprograms look at codes, people read sentences, in English or Simplified Chinese by the user's language.",
        "## Refusals of commands",
        "`userErrors[].code`: a rule of the business says no. The caller changes the request.",
        _table(found.user_errors, "code", "module", "meaning"),
        "## Errors of the API",
        "`errors[].extensions.code`, with the HTTP status where nothing was answered at all. `DEPTH_LIMIT` and"
        "\nits kin name the limit that an operation exceeds.",
        _table(found.errors, "code", "by", "meaning", "status"),
        "## The command line",
        "Printed with `✘`, what to do behind `→`, and as the exit code. `[E01]` to `[E11]` are the checks before a start;"
        "\n`./justw doctor` makes them all, and E02 (no Python) and E03 (no packages) are `justw`'s own, exit codes 11 and 12.",
        _table(found.command_line, "code", "where", "meaning", "exit"),
        "## Composition",
        "What `./justw compose` reports of schemas that don't fit together, each with its places. Codes are Apollo's where"
        "\nApollo has one; the rule's file says what it checks.",
        _table(found.composition, "code", "rule", "what the rule is about"),
    ]
    return "\n\n".join(parts) + "\n"


def as_text(found: Catalogue) -> str:
    """Return a line a code, for a terminal and for grep."""
    everything = (*found.user_errors, *found.errors, *found.command_line, *found.composition)
    return "\n".join(f"{one.code:<44} {one.said_by:<24} {one.meaning}" for one in everything)


def _known(error: type[MewayzError] | type[RouterError], status: int | None = None) -> Known:
    room = error.__module__.split(".")
    said_by = room[1] if room[0] in ("subgraphs", "mewayz") else room[0]
    meaning = inspect.getdoc(error) or ""
    return Known(error.code, said_by, " ".join(meaning.split("\n\n")[0].split()), status)


def _sorted(found: Iterable[Known]) -> list[Known]:
    """Return one entry a code and speaker, the first that was declared: a branch's own sentence before its twigs'."""
    first: dict[tuple[str, str], Known] = {}
    for one in found:
        first.setdefault((one.said_by, one.code), one)
    return sorted(first.values(), key=lambda one: (one.said_by != "shared", one.said_by, one.code))


def _classes(root: type) -> Iterator[type]:
    for child in root.__subclasses__():
        if not child.__module__.startswith("tests"):
            yield child
            yield from _classes(child)


def _composition() -> Iterator[Known]:
    """Yield the codes that stand in router/composition; the rule is the file, its meaning the file's first sentence."""
    for name in _import_all(router.composition):
        module = importlib.import_module(name)
        about = " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split())
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            code = node.value if isinstance(node, ast.Constant) else None
            if isinstance(code, str) and _CODE.fullmatch(code) and code not in _NOT_CODES:
                yield Known(code, name.removeprefix("router.composition."), about)


def _import_all(package: ModuleType) -> list[str]:
    found = [
        one.name
        for one in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        if not one.name.endswith("__main__") and ".templates" not in one.name and ".testing" not in one.name
    ]
    for name in found:
        importlib.import_module(name)
    return found


def _table(rows: list[Known], *headings: str) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    for one in rows:
        cells = [f"`{one.code}`", one.said_by, one.meaning.replace("|", "\\|")]
        if len(headings) == 4:
            cells.append("" if one.status is None else str(one.status))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
