"""Writes a module for every one of the catalogue that has no code yet: its tables, its types, one handler, one demo row.

They are what the runtime is measured with at full size: 208 modules, each with a database and a consumer of its own.
"""

import json
import keyword
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mewayz.modules import REPOSITORY, module_folders, slugs
from shared.graph.names import camel, plural

_TYPES = {
    "String": "str",
    "Int": "int",
    "Boolean": "bool",
    "ID": "UUID",
    "Date": "date",
    "DateTime": "datetime",
    "Decimal": "Decimal",
}
_KIT_FIELDS = ("id", "version", "created_at", "updated_at", "created_by", "tenant_id")

_INIT = '''"""{name}, from the catalogue."""

from shared.module import Module
from subgraphs.{slug} import events, graph, handlers, models

module = Module("{slug}", name="{name}", area="{area}", parts=(events, models, graph, handlers))
'''
_MODELS = '''"""The rows of {name}."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
{classes}'''
_GRAPH = '''"""The types of {name}."""

from shared.demo import Demo, plants
from shared.graph.entity import entity
from subgraphs.{slug} import models
{classes}

@plants(90)
async def plant(demo: Demo) -> None:
    """Make one row."""

    async def work(tx):
        if await tx.first_where(models.{first}) is None:
            tx.add(models.{first}({values}))

    await demo.write(work, "one", demo.day(1))
'''
_EVENTS = '''"""What {name} hears."""

from shared.wire.envelope import Event


class Heard(Event, type="{event}"):
    """The first event that it subscribes to."""
'''
_HANDLERS = '''"""What {name} does about it."""

from shared.events.handler import on
from subgraphs.{slug} import models
from subgraphs.{slug}.events import Heard


@on("{event}")
async def look(tx, event: Heard) -> None:
    """Read a row."""
    await tx.first_where(models.{first})
'''
_MIGRATION = '''"""All tables."""

from alembic import op
from shared.database.entity import metadata_of

revision = "0001"
down_revision = None


def upgrade():
    from subgraphs.{slug} import models  # noqa: F401

    metadata_of("{slug}").create_all(op.get_bind())
'''


def catalogue() -> list[dict[str, Any]]:
    """Return the modules of the catalogue."""
    return json.loads((REPOSITORY / "catalogue" / "modules.json").read_text())


def first_fields() -> dict[str, str]:
    """Return the connection field of each synthetic module's planted entity, by slug."""
    real = slugs(module_folders())
    return {
        module["slug"]: _connection(module["entities"][0]["name"])
        for module in catalogue()
        if module["slug"] not in real
    }


def write_modules(folder: Path, count: int) -> list[str]:
    """Write modules into `folder` until, with the real ones, there are `count`; return the slugs of all."""
    real = slugs(module_folders())
    chosen = [module for module in catalogue() if module["slug"] not in real][: count - len(real)]
    for module in chosen:
        _write(folder / module["slug"], module)
    return [*real, *(module["slug"] for module in chosen)]


def _write(folder: Path, module: dict[str, Any]) -> None:
    entities = module["entities"]
    facts = {
        "slug": module["slug"],
        "name": module["name"],
        "area": module["area"],
        "first": entities[0]["name"],
        "event": module["subscribes"][0][0] if module["subscribes"] else "user.deactivated",
        "values": ", ".join(_values(entities[0])),
    }
    types = "".join(f'\n\n@entity(models.{one["name"]})\nclass {one["name"]}:\n    """One."""\n' for one in entities)
    files = {
        "__init__.py": _INIT.format(**facts),
        "models.py": _MODELS.format(**facts, classes="".join(map(_model, entities))),
        "graph.py": _GRAPH.format(**facts, classes=types),
        "events.py": _EVENTS.format(**facts),
        "handlers.py": _HANDLERS.format(**facts),
        "migrations/0001_all_tables.py": _MIGRATION.format(**facts),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists() or (folder / name).read_text() != content:
            (folder / name).write_text(content)  # an unchanged file keeps its time: its module needs no preparation


def _model(entity: dict[str, Any]) -> str:
    enums, lines = "", list[str]()
    for name, kind, required in _fields(entity):
        if kind.startswith("enum "):
            enum, values = re.fullmatch(r"enum (\w+)\{(.*)\}", kind).groups()  # pyright: ignore[reportOptionalMemberAccess]
            rows = "".join(f'    {value} = "{value}"\n' for value in values.split(","))
            enums += f'\n\nclass {enum}(StrEnum):\n    """A choice."""\n\n{rows}'
            kind = enum
        lines.append(
            f"    {name}: Mapped[{kind}]" if required else f"    {name}: Mapped[{kind} | None] = default(None)"
        )
    lines.sort(key=lambda line: "default" in line)
    body = "\n".join(lines)
    return f'{enums}\n\nclass {entity["name"]}(Entity):\n    """One."""\n\n{body}\n'


def _fields(entity: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield name, type and whether it is required, of the fields that a column can hold by itself."""
    for field, kind in entity["fields"]:
        name = _snake(field)
        if name in _KIT_FIELDS or keyword.iskeyword(name) or not (kind in _TYPES or kind.startswith("enum ")):
            continue
        yield name, _TYPES.get(kind, kind), field in entity.get("required", ())


def _values(entity: dict[str, Any]) -> Iterator[str]:
    made = {
        "str": '"one"',
        "int": "1",
        "bool": "True",
        "UUID": 'demo.id("synthetic", "one", "One")',
        "date": "demo.as_of",
        "datetime": "demo.day(1)",
        "Decimal": "1",
    }
    for name, kind, required in _fields(entity):
        if required and kind.startswith("enum "):
            enum, values = re.fullmatch(r"enum (\w+)\{(.*)\}", kind).groups()  # pyright: ignore[reportOptionalMemberAccess]
            yield f"{name}=models.{enum}.{values.split(',')[0]}"
        elif required:
            yield f"{name}={made[kind]}"


def _connection(entity: str) -> str:
    """Return the root field that lists an entity's rows, as the kit names it."""
    return plural(camel(_snake(entity)))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
