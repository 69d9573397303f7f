"""What the audit log's tests do again and again."""

from typing import Any
from uuid import UUID, uuid5

import asyncpg

from shared.wire.principal import Principal
from tests.modules import RunningModule, until

_IDS = UUID("6d657761-797a-5000-8000-617564697400")
_RECORDS = "{ auditRecords(first: 100, sort: {field: SEQUENCE, direction: ASC}) { nodes { id sequence subject action moduleSlug entityType entityReference changeSummary actorUser { id } occurrences origin { address userAgent } chainHash previousHash } } }"


async def told(
    audit_log: RunningModule, who: Principal, name: str, event_type: str, data: dict[str, Any], **more: Any
) -> UUID:
    """Publish an event about the thing `name`, done by `who`."""
    subject = uuid5(_IDS, f"{who.tenant}/{name}")
    return await audit_log.publish(
        who.tenant, event_type, more.pop("aggregate", "Deal"), subject, more.pop("sequence", 1), data,
        **{"actorid": str(who.user), "source": "/crm", **more},
    )  # fmt: skip


async def records(audit_log: RunningModule, who: Principal, count: int) -> list[dict[str, Any]]:
    """Return the records of a tenant once there are so many, without the one of its making."""

    async def there() -> bool:
        return len(await audit_log.rows(who.tenant, "select 1 from audit_record")) == count + 1

    await until(there)
    answer = await audit_log.execute(who, _RECORDS)
    assert not answer.errors, answer.errors
    return [one for one in answer.data["auditRecords"]["nodes"] if one["subject"] != "tenant.created"]


async def as_owner(audit_log: RunningModule, tenant: UUID | None, statement: str, table: str = "audit_record") -> None:
    """Change what the module itself can't: as the role that owns the table, in the tenant."""
    connection = await asyncpg.connect(audit_log.urls.owner_url)
    try:
        await connection.execute(
            f"create policy tampering on audit_log.{table} to mewayz_audit_log_owner"
            " using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)"
        )
        await connection.execute(f"set app.tenant_id = '{tenant}'")
        await connection.execute(statement)
    finally:
        await connection.execute(f"drop policy tampering on audit_log.{table}")
        await connection.close()
