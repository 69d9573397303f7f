"""Which changes of an event break those who hear it."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, create_model

from mewayz.events_schema import breaking_changes, misreadings
from shared.values import Money
from shared.wire.envelope import Event

Code = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Count = Annotated[int, Field(ge=1)]
Note = Annotated[str, Field(max_length=10)]


class DealWon(Event, type="deal.close.won"):
    """What the module of these tests reads."""

    title: str
    note: str | None = None
    amount: Money
    lines: tuple[str, ...] = ()


def printed(version: int = 1, consumers: tuple[str, ...] = ("hr",), **fields: Any) -> dict[str, Any]:
    given = {name: (kind, ...) if not isinstance(kind, tuple) else kind for name, kind in fields.items()}
    payload = create_model("Payload", __base__=Event, **given).model_json_schema(by_alias=True, mode="serialization")
    event = {"module": "crm", "aggregate": "Deal", "version": version, "payload": payload, "consumers": list(consumers)}
    return {"deal.close.won": event}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"title": str}, {}, "title is gone"),
        ({"title": str}, {"title": int}, "title may now be integer"),
        ({"title": str}, {"title": str | None}, "title may now be null"),
        ({"amount": Money}, {"amount": Money | None}, "amount may now be null"),
        ({"lines": list[int]}, {"lines": list[str]}, "lines[] may now be string"),
        ({"lines": list[int]}, {"lines": list[Any]}, "lines[] may now be anything"),
        ({"rates": dict[str, int]}, {"rates": dict[str, Any]}, "rates[] may now be anything"),
        ({"kind": Literal["A"]}, {"kind": Literal["A", "B"]}, "kind may now be B"),
        ({"kind": Literal["A", "B"]}, {"kind": str}, "kind may now be anything"),
        ({"code": Code}, {"code": str}, "code has no pattern now, before ^[A-Z]{3}$"),
        ({"count": Count}, {"count": int}, "count has no minimum now, before 1"),
        ({"note": Note}, {"note": Annotated[str, Field(max_length=20)]}, "note has 20 maxLength now, before 10"),
        ({"pair": tuple[int, str]}, {"pair": tuple[int, int]}, "pair[1] may now be integer"),
    ],
)
def test_what_readers_of_today_could_not_read_is_a_break(before: Any, after: Any, why: str) -> None:
    assert breaking_changes(printed(**before), printed(**after)) == [f"deal.close.won: {why}"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"title": str}, {"title": str, "note": str}),
        ({"title": str | None}, {"title": str}),
        ({"amount": Money | None}, {"amount": Money | None}),
        ({"kind": Literal["A", "B"]}, {"kind": Literal["B"]}),
        ({"code": str}, {"code": Code}),
        ({"note": Note}, {"note": Annotated[str, Field(max_length=5)]}),
    ],
)
def test_what_they_can_read_is_none(before: Any, after: Any) -> None:
    assert breaking_changes(printed(**before), printed(**after)) == []


def test_a_new_version_may_change_anything_and_an_old_one_never_comes_back() -> None:
    """contracts.md, "Events": a higher version than known is parked"""
    assert breaking_changes(printed(title=str), printed(version=2, name=str)) == []
    assert "goes back from version 2 to 1" in breaking_changes(printed(version=2, name=str), printed(title=str))[0]


def test_an_event_may_vanish_when_nobody_hears_it() -> None:
    assert breaking_changes(printed(consumers=(), title=str), {}) == []
    assert breaking_changes(printed(title=str), {}) == ["deal.close.won is no longer published, and hr hear it."]


@pytest.mark.parametrize(
    ("published", "why"),
    [
        ({"title": str | None, "amount": Money}, "title may now be null"),
        ({"amount": Money}, "title is gone"),
        ({"title": str, "amount": str}, "amount may now be string"),
        ({"title": str, "amount": Money, "lines": tuple[int, ...]}, "lines[] may now be integer"),
        ({"title": str, "amount": Money, "note": int}, "note may now be integer"),
    ],
)
def test_what_a_module_hears_and_could_not_read_is_told(published: Any, why: str) -> None:
    """It would be parked, and the aggregate with it"""
    said = [f"deal.close.won: {why}, which invoicing can't read."]

    assert misreadings(printed(**published), [("invoicing", DealWon)]) == said
    assert misreadings(printed(version=2, **published), [("invoicing", DealWon)]) == []


@pytest.mark.parametrize(
    "published", [{"title": str, "amount": Money}, {"title": Code, "amount": Money, "note": Note, "more": int}]
)
def test_a_reader_does_without_what_it_does_not_need(published: Any) -> None:
    assert misreadings(printed(**published), [("invoicing", DealWon)]) == []
