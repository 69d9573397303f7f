"""The English sentences that people read, found in the code: templates of refusals, phrases inside them, states."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mewayz.modules import REPOSITORY, module_folders, slugs
from shared.module import load

_NAMES_A_STATE = re.compile(r"Phrase\([\w.]+[.]lower\(\)\)")
_STATES = ("Status", "State", "Lifecycle")


@dataclass(frozen=True)
class Found:
    """A sentence, and where it stands. `template` is None where it is no literal: then nobody can translate it."""

    place: str
    template: str | None


def packages() -> list[str]:
    """Return the folders that have a catalogue: the kit, and each module."""
    return ["shared", *(f"subgraphs/{slug}" for slug in slugs(module_folders()))]


def sentences(package: str) -> list[Found]:
    """Return the sentences of a package, in the order of its files."""
    found: list[Found] = []
    for path in _sources(REPOSITORY / package):
        tree = ast.parse(path.read_text())
        found += [Found(f"{path.relative_to(REPOSITORY)}:{line}", text) for line, text in _templates(tree)]
    return found


def states(package: str) -> set[str]:
    """Return the words for states that a module's sentences name in small letters."""
    if package == "shared" or not any(
        _NAMES_A_STATE.search(path.read_text()) for path in _sources(REPOSITORY / package)
    ):
        return set()
    module = load(package.removeprefix("subgraphs/"))
    kinds = {kind for part in module.parts for _, kind in inspect.getmembers(part, _is_state)}
    return {member.value.lower() for kind in kinds for member in kind}


def _is_state(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, StrEnum) and thing.__name__.endswith(_STATES)


def _sources(folder: Path) -> Iterator[Path]:
    skipped = {"tests", "migrations", "testing"}
    return (path for path in sorted(folder.rglob("*.py")) if not skipped & set(path.relative_to(folder).parts))


def _refusals() -> dict[str, bool]:
    """Return the names of all refusals; True for those that write their own sentence from what they are given."""
    classes: dict[str, ast.ClassDef] = {}
    for package in packages():
        for path in _sources(REPOSITORY / package):
            classes |= {one.name: one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.ClassDef)}
    known = {"Refusal"}
    while more := {name for name, one in classes.items() if name not in known and _bases(one) & known}:
        known |= more
    return {name: _writes(classes[name]) for name in known}


def _bases(one: ast.ClassDef) -> set[str]:
    return {base.id for base in one.bases if isinstance(base, ast.Name)}


def _writes(one: ast.ClassDef) -> bool:
    init = next((part for part in one.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    return init is not None and all(argument.arg != "template" for argument in init.args.posonlyargs)


_REFUSALS = _refusals()


def _templates(tree: ast.AST, owner: str = "") -> Iterator[tuple[int, str | None]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _templates(node, node.name)
            continue
        if isinstance(node, ast.Call) and node.args and _speaks(node.func, owner):
            yield from _literals(node.args[0])
        yield from _templates(node, owner)


def _speaks(function: ast.expr, owner: str) -> bool:
    if isinstance(function, ast.Name):
        return function.id == "Phrase" or _REFUSALS.get(function.id) is False
    return isinstance(function, ast.Attribute) and function.attr == "__init__" and _REFUSALS.get(owner) is True


def _literals(argument: ast.expr) -> Iterator[tuple[int, str | None]]:
    match argument:
        case ast.Constant(value=str() as text):
            yield argument.lineno, text
        case ast.IfExp(body=body, orelse=other):
            yield from _literals(body)
            yield from _literals(other)
        case ast.Call(func=ast.Attribute(attr="lower")) | ast.Name(id="what"):
            return  # a state, or the word for becoming it
        case _:
            yield argument.lineno, None
