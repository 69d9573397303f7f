"""Projects' rows and their rules: projects, tasks, time, and the office where they meet."""

from subgraphs.projects.models.projects import (
    CustomerAlias,
    KnownCustomer,
    KnownEmployee,
    MilestoneTemplate,
    Project,
    ProjectBilling,
    ProjectMember,
    ProjectNotice,
    ProjectSettings,
    ProjectStatus,
    ProjectTemplate,
    TaskTemplate,
)
from subgraphs.projects.models.tasks import (
    DependencyKind,
    ProjectMilestone,
    ProjectTask,
    ProjectTaskPriority,
    ProjectTaskStatus,
    TaskDependency,
)
from subgraphs.projects.models.time import (
    BillableBatch,
    BillableBatchStatus,
    BilledSource,
    ProjectRate,
    TimeEntry,
    TimeEntryStatus,
)

__all__ = [
    "BillableBatch",
    "BillableBatchStatus",
    "BilledSource",
    "CustomerAlias",
    "DependencyKind",
    "KnownCustomer",
    "KnownEmployee",
    "MilestoneTemplate",
    "Project",
    "ProjectBilling",
    "ProjectMember",
    "ProjectMilestone",
    "ProjectNotice",
    "ProjectRate",
    "ProjectSettings",
    "ProjectStatus",
    "ProjectTask",
    "ProjectTaskPriority",
    "ProjectTaskStatus",
    "ProjectTemplate",
    "TaskDependency",
    "TaskTemplate",
    "TimeEntry",
    "TimeEntryStatus",
]
