"""What clients see."""

from graphql import print_schema, validate_schema

from router.supergraph.api_schema import api_schema
from router.supergraph.sdl import parse_supergraph
from tests.router.supergraph.test_sdl import BODY, HEAD


def test_machinery_and_inaccessible_elements_are_hidden() -> None:
    schema = api_schema(parse_supergraph(HEAD + BODY))
    text = print_schema(schema)

    assert validate_schema(schema) == []
    assert "secret" not in text
    assert "join__" not in text
    assert "tenant" not in text
    assert "directive @live(ms: Int = 50) on QUERY" in text
    assert '"""A deal."""' in text
    assert "n: Int = 3" in text
    assert '@deprecated(reason: "say \\"no\\"")' in text
