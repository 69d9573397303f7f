"""The mark of an event handler."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.values import put_mark

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class HandlerMark:
    """A function `(tx, event) -> None` that runs once for each event of a type, in its aggregate's order.

    `event_type` is a type, or a pattern: `*.privacy.answered` (one word, then that) or `>` (every event of the platform).
    A handler of a pattern reads no payload: it takes the `Envelope` whole.

    It raises `NotYet` where another aggregate's fact is still missing. `external` marks effects outside the platform
    (mail, webhooks, payments), which a replay skips. `keeps` marks a handler that does nothing but bring a copy in line
    with what the event says: a module that comes later is told the same of rows that are older than the stream (state.py).
    """

    event_type: str
    external: bool
    keeps: bool


def on(event_type: str, *, external: bool = False, keeps: bool = False) -> Callable[[F], F]:
    """Mark a function as this module's handler of an event type. See HandlerMark."""
    return lambda function: put_mark(function, HandlerMark(event_type, external, keeps))
