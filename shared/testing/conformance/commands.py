"""Commands: once with a key, never over someone else's change (contracts.md, "Commands")."""

from shared.testing.conformance.subject import Subject, codes


async def a_key_makes_a_command_happen_once(subject: Subject) -> None:
    """The same key gives the same answer and changes nothing more; with other input it is refused."""
    for number, (function, _) in enumerate(subject.running.module.commands):
        name, key, arguments = function.__name__, f"conformance-{number}", subject.arguments(function)
        first = await subject.call(subject.ada, function, arguments, idempotencyKey=key)
        if codes(first) == ["FORBIDDEN"]:
            continue  # a right that not even every permission of a tenant gives
        assert not first.errors, f"{name}({arguments}): {first.errors}"
        after = await subject.dump(subject.ada)
        again = await subject.call(subject.ada, function, arguments, idempotencyKey=key)
        assert again.data == first.data, f"{name} answers the same key differently"
        assert await subject.dump(subject.ada) == after, f"{name} changed something when its key came again"
        other = await subject.call(subject.ada, function, arguments, idempotencyKey=key, expectedVersion=4711)
        assert codes(other) == ["IDEMPOTENCY_KEY_REUSED"], f"{name} takes its key with other input: {codes(other)}"


async def a_stale_version_is_refused(subject: Subject) -> None:
    """A command that changes a row refuses an `expectedVersion` the row hasn't, and leaves it as it is."""
    before = await subject.dump(subject.ada)
    for function, _ in subject.running.module.commands:
        if subject.row_argument(function):
            answer = await subject.call(subject.ada, function, subject.arguments(function), expectedVersion=4711)
            assert codes(answer) in (["STALE_VERSION"], ["FORBIDDEN"]), (
                f"{function.__name__} answers {codes(answer)} to a stale version"
            )
    assert await subject.dump(subject.ada) == before
