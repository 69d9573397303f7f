"""What a module tells of its rows, and what it keeps of others' (shared/events/state.py)."""

from sqlalchemy import select

from shared.module import Module, discover, load
from shared.testing.conformance.subject import Subject


async def its_rows_are_told_as_their_events_were(subject: Subject) -> None:
    """Of its sample rows it tells in payloads of its own, of the kinds that it says."""
    module = subject.running.module
    for function, mark in module.states:
        assert all(module.published.get(kind.type) is kind for kind in mark.kinds)
        async with subject.running.database.transaction(subject.ada) as tx:
            told = await function(tx, await tx.all(select(mark.model)))
        for event in told:
            assert isinstance(event, mark.kinds), f"{function.__name__} tells {event.type} and doesn't say so"
            assert type(event).model_validate(event.model_dump(mode="json", by_alias=True)) == event


async def what_it_keeps_is_told_by_its_owner(subject: Subject) -> None:
    """All that it hears of an aggregate of which it keeps a copy: events that the told state takes in are not heard again."""
    module = subject.running.module
    owners = [load(slug) for slug in discover()]
    for event_type in module.kept:
        for owner in owners:
            if kind := owner.published.get(event_type):
                missing = _heard(module, owner, kind.aggregate) - _told(owner, event_type)
                assert not missing, f"{module.slug} keeps {event_type}, but {owner.slug} doesn't tell {missing} with it"
                plain = _heard(module, owner, kind.aggregate) - module.kept.keys()
                assert not plain, f"{module.slug} keeps {event_type}, but only hears {plain} of the same aggregate"


def _heard(module: Module, owner: Module, aggregate: str | None) -> set[str]:
    return {name for name, kind in owner.published.items() if kind.aggregate == aggregate and name in module.handled}


def _told(owner: Module, event_type: str) -> set[str]:
    """Return the event types that an owner tells together with one."""
    for _, mark in owner.states:
        types = {kind.type for kind in mark.kinds}
        if event_type in types:
            return types
    return set()
