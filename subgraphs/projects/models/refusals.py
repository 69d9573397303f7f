"""Why Projects says no."""

from datetime import date
from decimal import Decimal

from shared.errors import Refusal
from shared.language import Phrase
from shared.values import Money


class ProjectIsClosed(Refusal):
    """Nothing is planned or logged on a project that is over (PRJ-3)."""

    code = "PROJECT_CLOSED"

    def __init__(self, code: str, status: str) -> None:
        """Name the project and how it ended."""
        super().__init__(
            "The project {code} is {state}: choose another one.", status=status, code=code, state=Phrase(status.lower())
        )


class DependencyOpen(Refusal):
    """A task begins when what it waits for is done."""

    code = "DEPENDENCY_OPEN"

    def __init__(self, title: str, waits_for: list[str]) -> None:
        """Name the task and what it waits for."""
        super().__init__(
            "The task {title!r} waits for {waiting}.",
            waits_for=waits_for,
            title=title,
            waiting=", ".join(map(repr, waits_for)),
        )


class WipLimit(Refusal):
    """Only so many tasks of a project are in progress at once."""

    code = "WIP_LIMIT"

    def __init__(self, limit: int) -> None:
        """Name the limit."""
        super().__init__("{limit} tasks are in progress already, the project's limit: finish one first.", limit=limit)


class TaskCycle(Refusal):
    """Tasks can't wait for each other in a circle (PRJ-1)."""

    code = "VALIDATION"

    def __init__(self, title: str) -> None:
        """Name the task at which the circle closes."""
        super().__init__("The task {title!r} would wait for itself: leave this dependency out.", title=title)


class OpenTasks(Refusal):
    """A project is complete when no task is open (PRJ-9)."""

    code = "OPEN_TASKS"

    def __init__(self, count: int) -> None:
        """Say how many are open."""
        super().__init__(
            "{count} tasks are open: finish them, or complete with force, which cancels them.", count=count
        )


class TimePending(Refusal):
    """A project is complete when no time waits for approval (PRJ-9)."""

    code = "TIME_PENDING"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("Submitted time waits for approval: approve or reject it first.")


class UnbilledTime(Refusal):
    """Cancelling gives approved time away that nobody has billed."""

    code = "UNBILLED_TIME"

    def __init__(self, hours: Decimal) -> None:
        """Say how much."""
        super().__init__("{hours:f} approved hours are not billed: prepare a batch first, or confirm.", hours=hours)


class DayFull(Refusal):
    """A day has 24 hours (PRJ-3)."""

    code = "DAY_FULL"

    def __init__(self, on: date, logged: Decimal) -> None:
        """Name the day and what is logged."""
        super().__init__("{logged:f} hours are logged on {on} already: a day has 24.", logged=logged, on=on)


class WeekLocked(Refusal):
    """An approved timesheet locks its week (PRJ-3)."""

    code = "WEEK_LOCKED"

    def __init__(self, week_start: date) -> None:
        """Name the week."""
        super().__init__(
            "The timesheet of the week of {week_start} is approved: have an entry rejected, or correct it.",
            week_start=week_start,
        )


class RateMissing(Refusal):
    """Billable time needs a rate (PRJ-5)."""

    code = "RATE_MISSING"

    def __init__(self, note: str) -> None:
        """Name the entry."""
        super().__init__(
            "No hourly rate holds for {note!r}: set one for the project, the person or the role.", note=note
        )


class SelfApproval(Refusal):
    """Nobody approves their own time (PRJ-8)."""

    code = "SELF_APPROVAL"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("This is your own time: someone else must approve it.")


class NothingToBill(Refusal):
    """There is no line for a batch."""

    code = "NOTHING_TO_BILL"

    def __init__(self, code: str) -> None:
        """Name the project."""
        super().__init__("Nothing on {code} waits to be billed up to that day.", code=code)


class OverContractValue(Refusal):
    """Milestones promise more than the contract pays; a warning that `force` passes (PRJ-7)."""

    code = "OVER_CONTRACT_VALUE"

    def __init__(self, total: Money, value: Money) -> None:
        """Name both sums."""
        super().__init__(
            "The milestones come to {total}, the contract to {value}: add it with force if you are sure.",
            total=total,
            value=value,
        )
