"""Tenants apart, and nothing without a permission (architecture.md, "Tenancy, four walls")."""

from copy import deepcopy
from typing import Any

import orjson
from graphql import GraphQLObjectType

from shared.graph.names import camel
from shared.testing.conformance.subject import Subject, codes
from shared.testing.samples import sample_id
from shared.wire.principal import Principal

_DEPTH = 1


async def another_tenant_finds_nothing(subject: Subject) -> None:
    """Every field of every type, asked by Bob with the ids of Ada's rows, shows none of Ada's rows; asked by Ada, it does."""
    ids = {str(row.id) for rows in subject.rows.values() for row in rows}
    for query, variables in _everything(subject):
        mine = await subject.running.execute(subject.ada, query, **deepcopy(variables))
        theirs = await subject.running.execute(subject.bob, query, **deepcopy(variables))
        assert not _found(ids, theirs.data), f"{query} shows Bob {_found(ids, theirs.data)}"
        assert all(error["extensions"]["code"] != "INTERNAL" for error in (*mine.errors, *theirs.errors)), query
    for query, variables in _by_key(subject, own=True):
        answer = await subject.running.execute(subject.ada, query, **variables)
        assert _found(ids, answer.data), f"Ada doesn't find her own rows, so that the walk proves nothing: {query}"


async def another_tenants_rows_cannot_be_changed(subject: Subject) -> None:
    """Every command, called by Bob with the ids of Ada's rows, changes nothing of hers; where it names one, NOT_FOUND."""
    before = await subject.dump(subject.ada)
    for function, _ in subject.running.module.commands:
        arguments = subject.arguments(function)
        answer = await subject.call(subject.bob, function, arguments)
        if (named := subject.row_argument(function)) and named in arguments:
            found = codes(answer)
            assert found in (["NOT_FOUND"], ["FORBIDDEN"]), (
                f"{function.__name__} with another tenant's id answers {found}"
            )
    assert await subject.dump(subject.ada) == before, "a command of Bob's changed Ada's rows"


async def nothing_is_open_without_permission(subject: Subject) -> None:
    """A member without any permission is refused every list, query and command that names one."""
    nobody = Principal(tenant=subject.ada.tenant, user=sample_id("nobody", ""), permissions=())
    for model, one, many in subject.lists():
        for query in (f'{{ {one}(id: "{subject.rows[model][0].id}") {{ id }} }}', f"{{ {many} {{ nodes {{ id }} }} }}"):
            answer = await subject.running.execute(nobody, query)
            assert [error["extensions"]["code"] for error in answer.errors] == ["FORBIDDEN"], query
    for function, _ in subject.running.module.commands:
        found = codes(await subject.call(nobody, function, subject.arguments(function)))
        assert found == ["FORBIDDEN"], f"{function.__name__} answers {found} to a member without permissions"


def _everything(subject: Subject) -> list[tuple[str, dict[str, Any]]]:
    return [*_roots(subject), *_by_key(subject, own=True), *_by_key(subject, own=False)]


def _roots(subject: Subject) -> list[tuple[str, dict[str, Any]]]:
    """Return each root field with every field below it."""
    query = subject.schema.query_type
    found: list[tuple[str, dict[str, Any]]] = []
    if query is None:
        return found
    for model, one, many in subject.lists():
        row = str(subject.rows[model][0].id)
        found.append((f'{{ {one}(id: "{row}") {subject.selection(query.fields[one], _DEPTH)} }}', {}))
        found.append((f"{{ {many} {subject.selection(query.fields[many], _DEPTH)} }}", {}))
    for function, mark in subject.running.module.queries:
        field = query.fields[camel(mark.name or function.__name__)]
        arguments = subject.arguments(function)
        declared = ", ".join(f"${name}: {field.args[name].type}" for name in arguments)
        passed = ", ".join(f"{name}: ${name}" for name in arguments)
        head = (f"query({declared}) ", f"({passed})") if arguments else ("", "")
        name = camel(mark.name or function.__name__)
        found.append((f"{head[0]}{{ {name}{head[1]} {subject.selection(field, _DEPTH)} }}", arguments))
    return found


def _by_key(subject: Subject, *, own: bool) -> list[tuple[str, dict[str, Any]]]:
    """Return each of the module's entities, or of those it adds fields to, by the keys that Ada's rows hold."""
    keys = _own_keys(subject) if own else _others_keys(subject)
    found: list[tuple[str, dict[str, Any]]] = []
    for name, ids in keys.items():
        kind = subject.schema.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        fields = subject.fields_of(kind, _DEPTH)
        query = f"query($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on {name} {fields} }} }}"
        found.append((query, {"of": [{"__typename": name, "id": one} for one in sorted(ids)]}))
    return found


def _own_keys(subject: Subject) -> dict[str, set[str]]:
    return {model.__name__: {str(row.id) for row in rows} for model, rows in subject.rows.items()}


def _others_keys(subject: Subject) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for _, mark in subject.running.module.extensions:
        ids = found.setdefault(mark.entity.rpartition(".")[2], set())
        for model, rows in subject.rows.items():
            for facts in model.__facts__.values():
                if facts.ref is not None and facts.ref.entity == mark.entity:
                    ids |= {str(getattr(row, facts.name)) for row in rows if getattr(row, facts.name)}
    return found


def _found(ids: set[str], data: Any) -> set[str]:
    text = orjson.dumps(data).decode()
    return {one for one in ids if one in text}
