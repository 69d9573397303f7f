"""A module: one folder, one table of contents. It collects the marks of its parts; importing it has no effects."""

import importlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import msgspec
from sqlalchemy import MetaData

from shared.commands.command import CommandMark
from shared.database.entity import Entity, metadata_of
from shared.errors import Defect
from shared.events.handler import HandlerMark
from shared.events.schedule import Job, ScheduleMark
from shared.events.state import StateMark
from shared.events.subscription import Subscription, subscription_to
from shared.graph.entity import CardMark, EntityMark, ExtendMark, QueryMark
from shared.module.http import Route, RouteMark
from shared.module.privacy import EXPORT_PATH, eraser, exporter
from shared.values import PlantMark, Sensitive, mark_of
from shared.wire.envelope import Envelope, Event
from shared.wire.privacy import ErasureRequested, privacy_answer
from shared.wire.reads import sensitive_read

__all__ = ["Module", "ModuleDescription", "discover", "load"]

_MODULES = "subgraphs"


class ModuleDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor needs to know of a module without importing it."""

    slug: str
    name: str
    area: str
    publishes: list[str]
    subscribes: list[str]
    keeps: list[str] = []  # of those, what it keeps copies of
    takes_queued: bool = False  # whether commands may wait for it
    demo_order: int | None = None  # when it plants its demo data, None where it has none


class Module:
    """The whole of a module: its models, types, queries, commands, events, handlers and routes, by their marks."""

    def __init__(
        self, slug: str, *, name: str, area: str, parts: Sequence[ModuleType], extra_roles: Sequence[str] = ()
    ) -> None:
        """Collect from `parts`, the module's files. `extra_roles` names further database roles (identity's sign-in)."""
        self.slug = slug
        self.name = name
        self.area = area
        self.parts = tuple(parts)
        self.extra_roles = tuple(extra_roles)

    @property
    def metadata(self) -> MetaData:
        """The module's tables."""
        return metadata_of(self.slug)

    @property
    def migrations(self) -> Path:
        """The folder of its Alembic revisions."""
        package = importlib.import_module(f"{_MODULES}.{self.slug}")
        return Path(package.__path__[0]) / "migrations"

    @cached_property
    def entities(self) -> dict[type[Entity], tuple[type, EntityMark]]:
        """Each model that has a GraphQL type, with the class that shows it."""
        return {mark.model: (target, mark) for target, mark in self.marked(EntityMark)}

    @cached_property
    def extensions(self) -> list[tuple[type, ExtendMark]]:
        """Classes with fields on other modules' entities."""
        return self.marked(ExtendMark)

    @cached_property
    def queries(self) -> list[tuple[Any, QueryMark]]:
        """Root fields of its own."""
        return self.marked(QueryMark)

    @cached_property
    def commands(self) -> list[tuple[Any, CommandMark]]:
        """Its commands."""
        return self.marked(CommandMark)

    @property
    def takes_queued(self) -> bool:
        """Whether any of its commands may wait in the queue."""
        return any(mark.queueable for _, mark in self.commands)

    @cached_property
    def card(self) -> tuple[Any, CardMark] | None:
        """Its card of the dashboard."""
        cards = self.marked(CardMark)
        if len(cards) > 1:
            raise Defect(f"The module {self.slug} has {len(cards)} dashboard cards: keep one.")
        return cards[0] if cards else None

    @cached_property
    def jobs(self) -> list[Job]:
        """Its scheduled work."""
        return [Job(function.__name__, function, mark) for function, mark in self.marked(ScheduleMark)]

    @cached_property
    def demo(self) -> list[tuple[Any, PlantMark]]:
        """What plants its demo data."""
        return self.marked(PlantMark)

    @cached_property
    def routes(self) -> dict[tuple[str, str], Route]:
        """HTTP routes beside /graphql, by method and path: identity's sign-in, and the export of a person's data."""
        own = {(mark.method, mark.path): target for target, mark in self.marked(RouteMark)}
        return {**own, ("POST", EXPORT_PATH): exporter(self)}

    @cached_property
    def published(self) -> dict[str, type[Event]]:
        """The payload class of each event type it publishes."""
        own = {kind.type: kind for kind in self._events() if kind.aggregate is not None}
        own[privacy_answer(self.slug).type] = privacy_answer(self.slug)
        if any(
            isinstance(mark, Sensitive)
            for model in self.entities
            for one in model.__facts__.values()
            for mark in one.marks
        ):
            own[sensitive_read(self.slug).type] = sensitive_read(self.slug)
        return own

    @cached_property
    def subscriptions(self) -> dict[str, Subscription]:
        """What it does on each event type, or pattern of types, that it hears; every module hears of erasures."""
        asked = ErasureRequested.type
        also = subscription_to(self.handled, asked)
        return {**self.handled, asked: Subscription(None, eraser(self, also.handler if also else None))}

    @cached_property
    def handled(self) -> dict[str, Subscription]:
        """What its own handlers do on each event type, or pattern of types."""
        found: dict[str, Subscription] = {}
        for handler, mark in self.marked(HandlerMark):
            if mark.event_type in found:
                raise Defect(f"{self.slug} handles {mark.event_type} twice: join the two handlers.")
            reading = next(kind for name, kind in get_type_hints(handler).items() if name not in ("tx", "return"))
            payload: type[Event] | None = None if reading is Envelope else reading
            if payload is not None and payload.type != mark.event_type:
                raise Defect(f"{handler.__name__} is on {mark.event_type} but reads {payload.type}.")
            if mark.keeps and (mark.external or payload is None):
                raise Defect(f"{handler.__name__} keeps a copy, so it reads a payload and has no effect outside.")
            found[mark.event_type] = Subscription(payload, handler, mark.external, mark.keeps)
        return found

    @cached_property
    def kept(self) -> dict[str, Subscription]:
        """Its handlers that keep copies of others' rows, by event type."""
        return {event_type: one for event_type, one in self.handled.items() if one.keeps}

    @cached_property
    def states(self) -> list[tuple[Any, StateMark]]:
        """What tells of its rows as they are now, to modules that keep copies."""
        return self.marked(StateMark)

    def describe(self) -> ModuleDescription:
        """Return what the supervisor needs to know."""
        return ModuleDescription(
            slug=self.slug,
            name=self.name,
            area=self.area,
            publishes=sorted(self.published),
            subscribes=sorted(self.subscriptions),
            keeps=sorted(self.kept),
            takes_queued=self.takes_queued,
            demo_order=min((mark.order for _, mark in self.demo), default=None),
        )

    def sdl(self) -> str:
        """Return the subgraph's SDL, with types, fields, arguments and values in a stable order."""
        from shared.module.schema import build_schema, sorted_sdl

        return sorted_sdl(build_schema(self))

    def _events(self) -> Iterator[type[Event]]:
        for part in self.parts:
            for value in vars(part).values():
                if isinstance(value, type) and issubclass(value, Event) and value.__module__ == part.__name__:
                    yield value

    def marked(self, kind: type[Any]) -> list[tuple[Any, Any]]:
        """Return what bears a mark of a kind, with the mark."""
        found: list[tuple[Any, Any]] = []
        for part in self.parts:
            for value in vars(part).values():
                mark = mark_of(value)
                if isinstance(mark, kind) and value.__module__.startswith(f"{_MODULES}.{self.slug}"):
                    found.append((value, mark))
        return found


def discover() -> list[str]:
    """Return the slugs of all modules, sorted: folders with an `__init__.py` in `subgraphs/`, or in one that `up` was given."""
    folders = map(Path, importlib.import_module(_MODULES).__path__)
    return sorted({entry.parent.name for folder in folders for entry in folder.glob("*/__init__.py")})


def load(slug: str) -> Module:
    """Import a module and return its table of contents. Raises what its code raises, or Defect where it has none."""
    package = importlib.import_module(f"{_MODULES}.{slug}")
    module = getattr(package, "module", None)
    if not isinstance(module, Module) or module.slug != slug:
        raise Defect(f"subgraphs/{slug}/__init__.py must say module = Module({slug!r}, ...).")
    return module
