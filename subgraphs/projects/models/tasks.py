"""Tasks and milestones: states, dependencies, progress (PRJ-1, PRJ-2)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from shared.database.entity import Entity, default
from shared.errors import IllegalState, Invalid
from shared.language import Phrase
from shared.values import Money, Ref, Searchable
from subgraphs.projects.events import MilestoneReached, TaskAssigned, TaskCompleted
from subgraphs.projects.models.refusals import TaskCycle


class ProjectTaskStatus(StrEnum):
    """How far a task has come."""

    TODO = "TODO"
    IN_PROGRESS = "IN_PROGRESS"
    BLOCKED = "BLOCKED"
    REVIEW = "REVIEW"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class ProjectTaskPriority(StrEnum):
    """How pressing a task is."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"


class DependencyKind(StrEnum):
    """What a task waits for: that another is finished (FS), or begun (SS)."""

    FS = "FS"
    SS = "SS"


_S = ProjectTaskStatus
OVER = (_S.DONE, _S.CANCELLED)
_STEPS: Mapping[ProjectTaskStatus, tuple[ProjectTaskStatus, ...]] = {
    _S.TODO: (_S.IN_PROGRESS, _S.CANCELLED),
    _S.IN_PROGRESS: (_S.BLOCKED, _S.REVIEW, _S.CANCELLED),
    _S.BLOCKED: (_S.IN_PROGRESS, _S.CANCELLED),
    _S.REVIEW: (_S.DONE, _S.CANCELLED),
    _S.DONE: (_S.IN_PROGRESS, _S.CANCELLED),
    _S.CANCELLED: (),
}


class ProjectTask(Entity):
    """A piece of a project's work."""

    __owner__ = "assignee_id"
    __indexes__ = (("assignee_id", "status", "due_on"), ("project_id", "status"))

    title: Mapped[Annotated[str, Field(min_length=1, max_length=300), Searchable()]]
    project_id: Mapped[Annotated[UUID, Ref("Project", reverse="tasks")]]
    parent_task_id: Mapped[Annotated[UUID | None, Ref("ProjectTask", reverse="children")]] = default(None)
    assignee_id: Mapped[Annotated[UUID | None, Ref("hr.Employee")]] = default(None)
    status: Mapped[ProjectTaskStatus] = default(ProjectTaskStatus.TODO)
    priority: Mapped[ProjectTaskPriority] = default(ProjectTaskPriority.NORMAL)
    starts_on: Mapped[date | None] = default(None)
    due_on: Mapped[date | None] = default(None)
    estimate_hours: Mapped[Annotated[Decimal | None, Field(ge=0)]] = default(None)
    progress_pct: Mapped[Annotated[int, Field(ge=0, le=100)]] = default(0)
    hourly_rate: Mapped[Money | None] = default(None)
    completed_at: Mapped[datetime | None] = default(None)

    @property
    def is_open(self) -> bool:
        """Whether there is work left on it."""
        return self.status not in OVER

    def assign(self, employee_id: UUID, user_id: UUID | None) -> TaskAssigned:
        """Give it to a person. Raises IllegalState where it is over."""
        if not self.is_open:
            raise IllegalState(
                "The task {title!r} is {status}: it needs nobody any more.", title=self.title, status=self.status
            )
        self.assignee_id = employee_id
        return TaskAssigned.of(self, task_id=self.id, assignee_user_id=user_id)

    def move(self, to: ProjectTaskStatus, at: datetime, children: Iterable["ProjectTask"] = ()) -> TaskCompleted | None:
        """Take one step, and return the fact where it is done. PRJ-2: a parent is done after its children.

        Raises IllegalState for a step that is not in the states of tier1.md, 7.
        """
        if to not in _STEPS[self.status]:
            steps = ", ".join(_STEPS[self.status]) or Phrase("none")
            raise IllegalState(
                "The task {title!r} can't go from {status} to {to}; possible: {steps}.",
                title=self.title,
                status=self.status,
                to=to,
                steps=steps,
            )
        if to is ProjectTaskStatus.DONE:
            return self.finish(at, children)
        if self.status is ProjectTaskStatus.DONE:
            self.completed_at, self.progress_pct = None, 0
        self.status = to
        return None

    def finish(self, at: datetime, children: Iterable["ProjectTask"] = ()) -> TaskCompleted:
        """Be done, from any state in which nothing blocks it. Raises IllegalState (PRJ-2)."""
        if self.status in (*OVER, ProjectTaskStatus.BLOCKED):
            raise IllegalState(
                "The task {title!r} is {status}: it can't be completed.", title=self.title, status=self.status
            )
        if left := [child.title for child in children if child.is_open]:
            raise IllegalState(
                "The task {title!r} has open parts: {parts}.", title=self.title, parts=", ".join(map(repr, left))
            )
        self.status, self.completed_at, self.progress_pct = ProjectTaskStatus.DONE, at, 100
        return TaskCompleted.of(self, task_id=self.id)

    def cancel(self) -> None:
        """Be given up."""
        if self.is_open:
            self.status = ProjectTaskStatus.CANCELLED


class TaskDependency(Entity):
    """A task that waits for another one."""

    __unique__ = (("task_id", "predecessor_id"),)

    task_id: Mapped[Annotated[UUID, Ref("ProjectTask", reverse="")]]
    predecessor_id: Mapped[Annotated[UUID, Ref("ProjectTask", reverse="")]]
    kind: Mapped[DependencyKind] = default(DependencyKind.FS)
    lag_days: Mapped[int] = default(0)

    def is_met(self, predecessor: ProjectTask, now: datetime) -> bool:
        """Tell whether the task may begin now as far as this predecessor goes; a cancelled one holds nobody up."""
        if predecessor.status is ProjectTaskStatus.CANCELLED:
            return True
        if self.kind is DependencyKind.SS:
            return predecessor.status is not ProjectTaskStatus.TODO
        if predecessor.completed_at is None:
            return False
        return predecessor.completed_at + timedelta(days=self.lag_days) <= now


def check_no_cycle(task: ProjectTask, predecessor: ProjectTask, waits_for: Mapping[UUID, Sequence[UUID]]) -> None:
    """Raise TaskCycle where `task` would wait for itself, Invalid where the two are of different projects (PRJ-1).

    `waits_for` names, for each task of the project, those it waits for: predecessors, and a parent's its children.
    """
    if task.project_id != predecessor.project_id:
        raise Invalid("A task waits only for tasks of its own project.", "predecessorId")
    seen: set[UUID] = set()
    left = [predecessor.id]
    while left:
        one = left.pop()
        if one == task.id:
            raise TaskCycle(task.title)
        if one not in seen:
            seen.add(one)
            left.extend(waits_for.get(one, ()))


def roll_up(tasks: Sequence[ProjectTask]) -> None:
    """Set each parent's progress to that of its leaves, by their hours, and reopen parents of open tasks (PRJ-2).

    Cancelled leaves don't count; leaves without an estimate weigh as much as the average one, or one hour where nothing
    is estimated.
    """
    children: dict[UUID | None, list[ProjectTask]] = {}
    for task in tasks:
        children.setdefault(task.parent_task_id, []).append(task)

    def leaves(task: ProjectTask) -> list[ProjectTask]:
        below = children.get(task.id)
        if below is None:
            return [] if task.status is ProjectTaskStatus.CANCELLED else [task]
        found = [leaf for child in below for leaf in leaves(child)]
        if task.status is ProjectTaskStatus.DONE and any(child.is_open for child in below):
            task.status, task.completed_at = ProjectTaskStatus.IN_PROGRESS, None
        if task.status is not ProjectTaskStatus.CANCELLED:
            task.progress_pct = _weighted(found)
        return found

    for task in children.get(None, []):
        leaves(task)


def progress_of(tasks: Sequence[ProjectTask]) -> int:
    """Return a project's progress in percent: that of the leaves of its tasks, by their hours."""
    parents = {task.parent_task_id for task in tasks}
    return _weighted([one for one in tasks if one.id not in parents and one.status is not ProjectTaskStatus.CANCELLED])


def _weighted(leaves: Sequence[ProjectTask]) -> int:
    estimates = [leaf.estimate_hours for leaf in leaves if leaf.estimate_hours]
    usual = sum(estimates, Decimal(0)) / len(estimates) if estimates else Decimal(1)
    weights = [leaf.estimate_hours or usual for leaf in leaves]
    if not weights:
        return 0
    done = sum((leaf.progress_pct * weight for leaf, weight in zip(leaves, weights, strict=True)), Decimal(0))
    return int((done / sum(weights)).quantize(Decimal(1), ROUND_HALF_UP))


class ProjectMilestone(Entity):
    """A point of a project that is reached, and perhaps paid for."""

    title: Mapped[Annotated[str, Field(min_length=1, max_length=300)]]
    project_id: Mapped[Annotated[UUID, Ref("Project", reverse="milestones")]]
    due_on: Mapped[date | None] = default(None)
    reached_at: Mapped[datetime | None] = default(None)
    reached_on: Mapped[date | None] = default(None)
    bill_amount: Mapped[Money | None] = default(None)
    billed: Mapped[bool] = default(False)
    batch_id: Mapped[Annotated[UUID | None, Ref("BillableBatch", reverse="")]] = default(None)

    def reach(self, at: datetime, on: date, customer_id: UUID | None) -> MilestoneReached:
        """Be reached, once. Raises IllegalState."""
        if self.reached_at is not None:
            raise IllegalState(
                "The milestone {title!r} was reached on {reached_on} already.",
                title=self.title,
                reached_on=self.reached_on,
            )
        self.reached_at, self.reached_on = at, on
        return MilestoneReached.of(self, milestone_id=self.id, customer_id=customer_id)
