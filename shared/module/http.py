"""HTTP routes of a module beside /graphql. Only identity has any: sign-in is not GraphQL (contracts.md, "Sign-in")."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.clock import Clock
from shared.database.transaction import Database
from shared.values import put_mark
from shared.wire.bootstrap import ModuleBootstrap
from shared.wire.token import InternalToken

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request that came with an internal token; `extras` are engines of further database roles, by name."""

    token: InternalToken
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    database: Database
    clock: Clock
    bootstrap: ModuleBootstrap
    extras: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What goes back: a status, a JSON value (None for no body) and headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Route = Callable[[HttpRequest], Awaitable[HttpAnswer]]


@dataclass(frozen=True, slots=True)
class RouteMark:
    """A function that answers HTTP requests of one method and path; a path may end in `*`."""

    method: str
    path: str


def route(method: str, path: str) -> Callable[[F], F]:
    """Mark a function as an HTTP route of the module. See RouteMark."""
    return lambda function: put_mark(function, RouteMark(method, path))
