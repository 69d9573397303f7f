"""When a process that died is started again (events.md G)."""

import pytest

from mewayz.runtime.backoff import Backoff


class _Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> _Time:
    return _Time()


def test_waits_double_from_a_tenth_of_a_second_up_to_thirty(time: _Time) -> None:
    backoff = Backoff(time, lambda: 0.0)
    waits: list[float | None] = []

    for _ in range(12):
        time.now += 20  # slow enough not to count as a loop
        waits.append(backoff.after_death(lived_s=1))

    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == 30


def test_the_sixth_death_in_a_minute_is_the_last(time: _Time) -> None:
    backoff = Backoff(time, lambda: 0.0)

    waits = [backoff.after_death(lived_s=0.5) for _ in range(6)]

    assert None not in waits[:5]
    assert waits[5] is None


def test_a_minute_of_health_makes_the_next_wait_short_again(time: _Time) -> None:
    backoff = Backoff(time, lambda: 0.0)
    for _ in range(4):
        backoff.after_death(lived_s=1)

    assert backoff.after_death(lived_s=61) == 0.1


def test_jitter_adds_up_to_a_quarter(time: _Time) -> None:
    assert Backoff(time, lambda: 1.0).after_death(lived_s=1) == pytest.approx(0.125)


def test_a_start_by_hand_begins_anew(time: _Time) -> None:
    backoff = Backoff(time, lambda: 0.0)
    for _ in range(6):
        backoff.after_death(lived_s=1)

    backoff.forget()

    assert backoff.after_death(lived_s=1) == 0.1
