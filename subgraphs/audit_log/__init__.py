"""Audit Log: a tamper-evident record of who did what, when and from where, written from every module's events."""

from shared.module import Module
from subgraphs.audit_log import events, graph, handlers, models

module = Module(
    "audit_log",
    name="Audit Log",
    area="Platform & Security",
    parts=(events, models, graph, handlers),
    extra_roles=("audit_log_purge",),
)
