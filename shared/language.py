"""Sentences for people, in their language: English stands in the code, Simplified Chinese in zh_CN.po beside it.

A catalogue's msgid is the English template, with its facts in braces. A module's is in its folder, the kit's in shared/.
Codes are never translated: programs look at them. What has no translation is told in English.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from babel.messages.pofile import read_po
from pydantic_core import PydanticKnownError

from shared.errors import Refusal

CATALOGUE = "zh_CN.po"


class Phrase(str):
    """A part of a sentence that is translated too, such as a state: it reads as its English text."""

    template: str
    facts: Mapping[str, object]

    def __new__(cls, template: str, text: str | None = None, /, **facts: object) -> Self:
        """Take the English template; `text` where it is not just the template with its facts."""
        made = super().__new__(cls, template.format_map(facts) if text is None else text)
        made.template, made.facts = template, facts
        return made

    @classmethod
    def of_problem(cls, problem: Mapping[str, Any]) -> Self:
        """Return what Pydantic says of a value, without the value."""
        facts = problem.get("ctx", {})
        try:
            template = PydanticKnownError(problem["type"], facts).message_template
        except KeyError:  # a validator of ours speaks
            template = problem["msg"]
        return cls(template, problem["msg"], **facts)


def sentence(template: str, facts: Mapping[str, object], locale: str, slug: str) -> str:
    """Return a sentence of the module `slug`, or of the kit, in the language of `locale` (BCP 47)."""
    if locale.lower().startswith("zh") and (translated := _translated(template, facts, _catalogues(slug))):
        return translated
    return template.format_map(facts)


def sentence_from(catalogue: Path, template: str, facts: Mapping[str, object], locale: str) -> str:
    """Return a sentence in the language of `locale`, by one catalogue: for who is no module."""
    if locale.lower().startswith("zh") and (translated := _translated(template, facts, [read_catalogue(catalogue)])):
        return translated
    return template.format_map(facts)


def refusal_in(refusal: Refusal, locale: str, slug: str) -> str:
    """Return the sentence of a refusal."""
    return sentence(refusal.template, refusal.facts, locale, slug)


def wished_locale(accept_language: str) -> str:
    """Return the language that a client likes best of those that we speak, by its header (RFC 9110, 12.5.4): zh or en."""
    wished = [part.partition(";") for part in accept_language.lower().replace(" ", "").split(",")]
    known = [(tag[:2], weight.removeprefix("q=")) for tag, _, weight in wished if tag[:2] in ("en", "zh")]
    return max(
        known, key=lambda one: float(one[1]) if one[1].replace(".", "", 1).isdigit() else 1.0, default=("en", "")
    )[0]


@lru_cache
def read_catalogue(path: Path) -> Mapping[str, str]:
    """Return a catalogue's translations by their English template; none where there is no such file."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        found = read_po(file, locale="zh_CN")
    return {str(message.id): str(message.string) for message in found if message.id and message.string}


def _catalogues(slug: str) -> Sequence[Mapping[str, str]]:
    files = (import_module(name).__file__ or "" for name in (f"subgraphs.{slug}", "shared"))
    return [read_catalogue(Path(file).parent / CATALOGUE) for file in files]


def _translated(template: str, facts: Mapping[str, object], catalogues: Sequence[Mapping[str, str]]) -> str | None:
    found = next((one[template] for one in catalogues if template in one), None)
    if found is None:
        return None
    return found.format_map({name: _shown(fact, catalogues) for name, fact in facts.items()})


def _shown(fact: object, catalogues: Sequence[Mapping[str, str]]) -> object:
    return _translated(fact.template, fact.facts, catalogues) or fact if isinstance(fact, Phrase) else fact
