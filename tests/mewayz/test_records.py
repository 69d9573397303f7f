"""What is known of modules from the last start (mewayz/runtime/records.py), and their signs of life."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mewayz.runtime.orders import Description
from mewayz.runtime.pulse import Pulse
from mewayz.runtime.records import Records, Rest

_DUE = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A folder with the module `alpha`."""
    (tmp_path / "modules" / "alpha" / "tests").mkdir(parents=True)
    (tmp_path / "modules" / "alpha" / "__init__.py").write_text("one = 1\n")
    (tmp_path / "records").mkdir()
    return tmp_path / "modules"


def _records(modules: Path, servers: str = "") -> Records:
    return Records(modules.parent / "records", [str(modules)], servers=servers)


def test_a_record_fits_until_the_code_changes(modules: Path) -> None:
    _records(modules).keep("alpha", Description("alpha"), is_new=True)
    assert _records(modules).fitting("alpha") is not None

    (modules / "alpha" / "__init__.py").write_text("one = 1 + 0\n")

    assert _records(modules).fitting("alpha") is None


def test_tests_of_a_module_are_no_code(modules: Path) -> None:
    _records(modules).keep("alpha", Description("alpha"), is_new=True)

    (modules / "alpha" / "tests" / "test_one.py").write_text("")

    assert _records(modules).fitting("alpha") is not None


def test_a_record_does_not_fit_other_servers(modules: Path) -> None:
    _records(modules).keep("alpha", Description("alpha"), is_new=True)

    assert _records(modules, "postgresql://elsewhere").fitting("alpha") is None


def test_a_module_rests_at_first_and_after_an_orderly_end_only(modules: Path) -> None:
    records = _records(modules)
    records.keep("alpha", Description("alpha"), is_new=True)
    assert records.rest("alpha") == Rest()

    records.rests("alpha", None)
    assert _records(modules).rest("alpha") is None

    records.rests("alpha", Rest(_DUE))
    assert _records(modules).rest("alpha") == Rest(_DUE)


def test_a_module_that_is_prepared_anew_rests_as_before(modules: Path) -> None:
    records = _records(modules)
    records.keep("alpha", Description("alpha"), is_new=True)
    records.rests("alpha", Rest(_DUE))

    records.forget("alpha")

    assert records.fitting("alpha") is None
    records.keep("alpha", Description("alpha"), is_new=False)
    assert records.rest("alpha") == Rest(_DUE)


@pytest.mark.parametrize(("minutes", "is_due"), [(-90, True), (-1, False), (30, False), (60, True)])
def test_work_of_a_resting_module_is_due_at_its_time_and_where_the_clock_went_back(minutes: int, is_due: bool) -> None:
    """It fell asleep while the clock was ahead, and slept until the real time had caught up"""
    since = _DUE - timedelta(hours=1)

    assert Rest(_DUE, since).is_due(since + timedelta(minutes=minutes)) is is_due
    assert not Rest(None, since).is_due(since + timedelta(minutes=minutes))


def test_a_broken_record_counts_as_none(modules: Path) -> None:
    (modules.parent / "records" / "alpha.json").write_text("{")

    assert _records(modules).fitting("alpha") is None


def test_a_pulse_keeps_the_last_whole_sign_of_life(tmp_path: Path) -> None:
    with Pulse.fresh(tmp_path / "alpha.beat") as pulse:
        assert pulse.writer is not None
        os.write(pulse.writer, b'{"idle_s":1.5}\n{"idle_s":2.5}\n{"idle')

        assert pulse.read()
        assert pulse.last.idle_s == 2.5
        pulse.let_go()
        assert not pulse.read()


def test_a_later_supervisor_reads_on_from_the_same_pulse(tmp_path: Path) -> None:
    with Pulse.fresh(tmp_path / "alpha.beat") as pulse:
        assert pulse.writer is not None
        writer = os.dup(pulse.writer)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"{}\n")

    with Pulse(tmp_path / "alpha.beat") as successor:
        os.write(writer, b'{"settled":true}\n')
        os.close(writer)

        assert successor.read()
        assert successor.last.settled
