"""What a module shows: its SDL, its card of the dashboard (contracts.md, "Queries", "Tenancy in the schema")."""

import graphql
from graphql import GraphQLNonNull, GraphQLObjectType, ObjectTypeDefinitionNode, ObjectTypeExtensionNode

from shared.graph.entity import DASHBOARD
from shared.graph.names import camel
from shared.testing.conformance.subject import Subject

_ROOTS = ("Query", "Mutation", "Subscription")


async def the_sdl_is_the_same_each_time(subject: Subject) -> None:
    """Printed twice it is the same text, and it parses."""
    sdl = subject.running.module.sdl()
    assert sdl == subject.running.module.sdl()
    assert graphql.parse(sdl).definitions


async def every_type_says_whose_it_is(subject: Subject) -> None:
    """Each object type and each root field carries `@tenant`."""
    for node in graphql.parse(subject.running.module.sdl()).definitions:
        if not isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode) or node.name.value[0] == "_":
            continue
        fields = [field for field in node.fields or () if not field.name.value.startswith("_")]
        for one in fields if node.name.value in _ROOTS else [node]:
            directives = [directive.name.value for directive in one.directives or ()]
            assert "tenant" in directives, f"{node.name.value}.{one.name.value} has no @tenant"


async def others_entities_gain_only_nullable_fields(subject: Subject) -> None:
    """With this module away, the owner's entity must still be whole."""
    names = {mark.entity.rpartition(".")[2] for _, mark in subject.running.module.extensions}
    for name in (*names, *(["Dashboard"] if subject.running.module.card else [])):
        kind = subject.schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        required = [field for field, facts in kind.fields.items() if isinstance(facts.type, GraphQLNonNull)]
        assert required == ["id"], f"{name} gains required fields: {required}"


async def the_card_answers(subject: Subject) -> None:
    """The module's card, whole, in a tenant with rows and in one without; never for another tenant's id."""
    slug = subject.running.module.slug
    if subject.running.module.card is None:
        return
    kind = subject.schema.type_map[DASHBOARD.rpartition(".")[2]]
    assert isinstance(kind, GraphQLObjectType)
    card = subject.selection(kind.fields[camel(slug)], 3)
    query = (
        f"query($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on Dashboard {{ {camel(slug)} {card} }} }} }}"
    )
    for who, other in ((subject.ada, subject.bob), (subject.bob, subject.ada)):
        asked = [{"__typename": "Dashboard", "id": str(tenant)} for tenant in (who.tenant, other.tenant)]
        own, foreign = (await subject.ask(who, query, of=asked))["_entities"]
        assert own[camel(slug)] is not None, f"the card of {slug} is null"
        assert foreign is None, "another tenant's dashboard was found"
