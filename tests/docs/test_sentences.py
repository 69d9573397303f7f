"""What people read is there in English and in Simplified Chinese: every refusal of every module, states, notifications."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from string import Formatter
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from mewayz.modules import REPOSITORY
from router.gateway.commands import reasons
from shared.errors import IllegalState, NotFound
from shared.language import CATALOGUE, Phrase, read_catalogue, refusal_in, sentence
from tests.docs.sentences import packages, sentences, states

_KIT = read_catalogue(REPOSITORY / "shared" / CATALOGUE)
_BECOME = {"approved", "changed", "rejected", "submitted"}  # TimeEntry._must_be
_KINDS = {"first response", "next response", "resolution"}  # of a ticket's timers, which notifications hear of


@pytest.mark.parametrize("package", packages())
def test_every_sentence_of_a_package_is_there_in_chinese(package: str) -> None:
    catalogue, found = read_catalogue(REPOSITORY / package / CATALOGUE), sentences(package)

    assert [one.place for one in found if one.template is None] == [], (
        "write the template as a literal, facts in braces"
    )
    missing = [one for one in found if one.template not in catalogue]
    assert missing == [], f"add them to {package}/{CATALOGUE}"
    assert states(package) - set(catalogue) == set()


@pytest.mark.parametrize("package", packages())
def test_a_translation_names_the_same_facts_and_belongs_to_a_sentence(package: str) -> None:
    catalogue = read_catalogue(REPOSITORY / package / CATALOGUE)

    for english, chinese in catalogue.items():
        more = _facts(chinese) - _facts(english)
        lost = {fact for fact in _facts(english) - _facts(chinese) if not _is_pydantics(fact)}
        assert (more, lost) == (set(), set()), english
    if package != "shared":
        known = {one.template for one in sentences(package)} | states(package) | _BECOME | _KINDS
        assert set(catalogue) - known == set(), "nobody says these any more"


def test_what_the_gateway_says_of_commands_that_wait_is_there_in_chinese() -> None:
    catalogue = read_catalogue(Path(reasons.__file__).with_name(CATALOGUE))

    assert set(catalogue) == {text for name, text in vars(reasons).items() if name.isupper() and isinstance(text, str)}
    assert [english for english, chinese in catalogue.items() if _facts(english) != _facts(chinese)] == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Annotated[str, Field(min_length=3)], ""),
        (Annotated[str, Field(max_length=3)], "four"),
        (Annotated[str, Field(pattern="^[A-Z]{2}$")], "x"),
        (Annotated[Decimal, Field(ge=0)], Decimal(-1)),
        (Annotated[Decimal, Field(gt=0)], Decimal(0)),
        (Annotated[Decimal, Field(le=100)], Decimal(101)),
        (Annotated[Decimal, Field(lt=100)], Decimal(100)),
        (Annotated[Decimal, Field(max_digits=3)], Decimal("1234")),
        (Annotated[Decimal, Field(decimal_places=1)], Decimal("1.23")),
        (Annotated[list[int], Field(min_length=1)], []),
        (Annotated[list[int], Field(max_length=1)], [1, 2]),
        (str, 1),
        (int, "x"),
        (Decimal, "x"),
        (UUID, "x"),
    ],
)
def test_what_is_wrong_with_a_value_is_told_in_chinese(kind: Any, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    phrase = Phrase.of_problem(caught.value.errors(include_url=False)[0])

    told = sentence("{where}: {problem}.", {"where": "name", "problem": phrase}, "zh-CN", "crm")

    assert phrase.template in _KIT
    assert told.startswith("name：")
    assert told.endswith("。")
    assert str(phrase) not in told


def test_a_sentence_is_in_the_readers_language() -> None:
    sold = IllegalState("The tax code {code} is not in use.", code="{VAT}")

    assert sold.message == refusal_in(sold, "en", "tax") == refusal_in(sold, "de-DE", "tax")
    assert sold.message == "The tax code {VAT} is not in use."
    assert refusal_in(sold, "zh-CN", "tax") == "税码 {VAT} 未启用。"
    assert refusal_in(NotFound("Deal", 7), "zh", "crm") == "没有 id 为 7 的 Deal。"
    assert refusal_in(IllegalState("Nobody has {what} this.", what="said"), "zh-CN", "tax") == "Nobody has said this."


def _facts(template: str) -> set[str]:
    parse: Callable[[str], Any] = Formatter().parse
    return {name for _, name, _, _ in parse(template) if name}


def _is_pydantics(fact: str) -> bool:
    return fact in ("expected_plural", "field_type", "error")
