"""What a module's rows tell of a person can be found, and erased (ADR 0021)."""

from uuid import UUID

from shared.database.entity import Entity
from shared.database.personal import Person, blank_value, personal_columns, personal_models, tellings
from shared.module.privacy import eraser
from shared.testing.conformance.subject import Subject
from shared.testing.samples import sample_id
from shared.wire.envelope import Envelope
from shared.wire.principal import Principal, system
from shared.wire.privacy import ErasureRequested, PrivacyAnswer


async def a_person_is_erased_and_nobody_else(subject: Subject) -> None:
    """Of each entity with personal columns, the person of one row: it is blank afterwards, all others are as they were.

    What the law wants kept stays. Erased again, nothing changes; in another tenant nothing does at all.
    """
    slug, database = subject.running.module.slug, subject.running.database
    changed, could = set[object](), False
    for model in personal_models(slug):
        who = await subject.running.new_tenant()
        rows = subject.rows.get(model, ())
        person = _person_of(model, rows[0]) if rows else None
        if person is None:
            continue
        could = could or not all(mark.keep for _, mark in personal_columns(model))
        before = await subject.dump(subject.ada)
        await _erase(subject, who, person)
        assert await subject.dump(subject.ada) == before, "an erasure in one tenant changed another"
        kept = await _erase(subject, subject.ada, person)
        after = await subject.dump(subject.ada)
        changed |= {key for key, version in after.items() if before.get(key) != version}
        async with database.transaction(subject.ada) as tx:
            told = [one async for one in tellings(tx, slug, [], person)]
            for row, names in told:
                facts = {facts.name: (facts, mark) for facts, mark in personal_columns(type(row))}
                left = [
                    name
                    for name in names
                    if not facts[name][1].keep and getattr(row, name) != blank_value(facts[name][0], row.id)
                ]
                assert kept or not left, f"{type(row).__name__}.{left} is not blank"
        await _erase(subject, subject.ada, person)
        assert await subject.dump(subject.ada) == after, f"erased again, {model.__name__} changes"
    assert changed or not could, "no row was erased"


def _person_of(model: type[Entity], row: Entity) -> Person | None:
    names = {name for _, mark in personal_columns(model) for name in mark.by}
    values = [getattr(row, name) for name in names]
    ids = frozenset(one for one in values if isinstance(one, UUID))
    emails = frozenset(one.lower() for one in values if isinstance(one, str))
    return Person(ids, emails) if ids or emails else None


async def _erase(subject: Subject, who: Principal, person: Person) -> int:
    """Let the module hear that a person is to be erased; return how many rows it says it kept."""
    assert who.tenant is not None
    request = sample_id("request", str(who.tenant))
    data = ErasureRequested(
        privacy_request_id=request, round=1, ids=tuple(person.ids), emails=tuple(person.emails)
    ).model_dump(mode="json", by_alias=True)
    async with subject.running.database.transaction(system(who.tenant)) as tx:
        envelope = Envelope(
            id=request,
            source="/privacy",
            type=ErasureRequested.type,
            subject=request,
            time=tx.now(),
            tenant_id=who.tenant,
            aggregate_type="PrivacyRequest",
            sequence=1,
            schema_version=1,
            correlation_id=request,
            data=data,
        )
        await eraser(subject.running.module)(tx, envelope)
        (answer,) = [one for one in tx.events if one.type == f"{subject.running.module.slug}.privacy.answered"]
        assert isinstance(answer, PrivacyAnswer)
        assert answer.subject == request
        return answer.kept_count
