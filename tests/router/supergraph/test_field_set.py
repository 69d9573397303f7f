"""Field sets are values."""

import pytest

from router.errors import InvalidSupergraph
from router.supergraph.field_set import leaf_count, parse_field_set, print_field_set


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("id", "id"),
        ("{ a  b{c,d} }", "a b { c d }"),
        ('p(in:"EUR", n:[1,2])', 'p(in: "EUR", n: [1, 2])'),
        ("m { ... on Film { x } ...{ y } }", "m { ... on Film { x } ... { y } }"),
    ],
)
def test_a_field_set_prints_canonically_and_reads_back(text: str, canonical: str) -> None:
    fields = parse_field_set(text)

    assert print_field_set(fields) == canonical
    assert parse_field_set(canonical) == fields
    assert hash(parse_field_set(canonical)) == hash(fields)


@pytest.mark.parametrize("text", ["", "{", "a: b", "a @skip(if: true)", "...F", "a } { b"])
def test_what_is_no_field_set_is_refused(text: str) -> None:
    with pytest.raises(InvalidSupergraph):
        parse_field_set(text)


def test_the_size_of_a_key_is_its_leaves() -> None:
    assert leaf_count(parse_field_set("a b { c d { e } }")) == 3
