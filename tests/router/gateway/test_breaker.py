"""The breaker: it stops asking a module that fails, tries it now and then, and bounds repeated requests (events.md, G)."""

import pytest

from router.errors import ModuleUnavailable
from router.gateway.breaker import Breaker

NEVER = float("-inf")


class Seconds:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(seconds: Seconds) -> Breaker:
    return Breaker("crm", seconds)


def test_five_failures_in_a_row_open_it_and_an_answer_closes_it(breaker: Breaker, seconds: Seconds) -> None:
    for _ in range(5):
        breaker.admit(NEVER)
        breaker.failed()

    with pytest.raises(ModuleUnavailable) as refused:
        breaker.admit(NEVER)

    assert refused.value.retry_after_ms == 500
    assert not refused.value.was_sent
    seconds.now += 0.5
    breaker.admit(NEVER)  # the one that tries
    with pytest.raises(ModuleUnavailable):
        breaker.admit(NEVER)
    breaker.succeeded()
    breaker.admit(NEVER)


def test_half_of_twenty_within_ten_seconds_open_it(breaker: Breaker) -> None:
    for _ in range(9):
        breaker.failed()
        breaker.succeeded()
    breaker.succeeded()
    assert not breaker.is_open

    breaker.failed()

    assert breaker.is_open


def test_what_was_longer_ago_than_ten_seconds_counts_no_more(breaker: Breaker, seconds: Seconds) -> None:
    for _ in range(9):
        breaker.failed()
        breaker.succeeded()
    seconds.now += 11

    breaker.failed()
    breaker.failed()

    assert not breaker.is_open


def test_a_module_that_started_again_is_asked_at_once(breaker: Breaker, seconds: Seconds) -> None:
    for _ in range(5):
        breaker.failed()

    breaker.admit(seconds.now + 0.01)

    assert not breaker.is_open


def test_a_tenth_of_the_requests_may_be_repeated(breaker: Breaker) -> None:
    assert sum(breaker.may_repeat() for _ in range(20)) == 10
    for _ in range(100):
        breaker.admit(NEVER)

    assert sum(breaker.may_repeat() for _ in range(20)) in (9, 10)
