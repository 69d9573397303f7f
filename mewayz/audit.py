"""`mewayz audit`: whether the audit log is what it was when it was written."""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from mewayz.folders import folders_of
from mewayz.options import AsJson, Data
from shared.errors import InvalidInput
from shared.wire import control
from shared.wire.occasion import PLATFORM

audit = typer.Typer(help="The audit log: whether its chains hold, and what is kept", no_args_is_help=True)
OfTenant = Annotated[str | None, typer.Option("--tenant", help="Of this tenant: its slug or id; else of no tenant")]


class BrokenChain(InvalidInput):
    """A chain of the audit log does not hold."""

    code = "BROKEN_CHAIN"


@audit.command("verify")
def verify(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant: its slug or id")] = None,
    data: Data = Path("var"),
    as_json: AsJson = False,
) -> None:
    """Check every record and seal of the audit log; exit 1 where one was changed, taken out or put in

    The head that is printed is the chain's last hash: kept elsewhere, it tells of a chain that was written anew.
    """
    from mewayz.runtime.client import operate

    asked = control.Operate("verify_log", "audit_log", {"tenant": tenant} if tenant else {})
    rows: list[Any] = operate(folders_of(data), asked)
    if as_json:
        typer.echo(msgspec.json.encode(rows).decode())
    else:
        for row in rows:
            name = "platform" if row["tenant"] == str(PLATFORM) else row["tenant"]
            typer.echo(f"{name:<36}  {_counts(row)}  {row['head'][:16]}  {_outcome(row)}")
    broken = [row for row in rows if row["fault"]]
    if broken:
        raise BrokenChain(f"{len(broken)} of {len(rows)} chains do not hold: compare with a backup of the audit log.")


@audit.command("acknowledge")
def acknowledge(
    explanation: Annotated[str, typer.Argument(help="What you found out: it is kept")],
    tenant: OfTenant = None,
    data: Data = Path("var"),
) -> None:
    """Let sealing go on where the log is not what was written, as acknowledgeAuditTamper does"""
    typer.echo(f"{_order(data, tenant, 'acknowledge', explanation=explanation)} acknowledged")


@audit.command("hold")
def hold(
    reason: Annotated[str, typer.Argument(help="Why: it is kept")], tenant: OfTenant = None, data: Data = Path("var")
) -> None:
    """Keep all records until the hold is released, as placeAuditHold does; prints its id"""
    typer.echo(_order(data, tenant, "hold", reason=reason))


@audit.command("release")
def release(
    hold: Annotated[UUID, typer.Argument(help="The hold's id")], tenant: OfTenant = None, data: Data = Path("var")
) -> None:
    """End a hold, as releaseAuditHold does"""
    typer.echo(_order(data, tenant, "release", hold=str(hold)))


@audit.command("keep")
def keep(
    months: Annotated[int, typer.Argument(help="For how many months; 0 is for ever", min=0, max=1200)],
    tenant: OfTenant = None,
    data: Data = Path("var"),
) -> None:
    """Set how long records are kept, as setRetentionRule does for all modules"""
    typer.echo(_order(data, tenant, "keep", months=str(months)))


def _order(data: Path, tenant: str | None, order: str, **told: str) -> str:
    from mewayz.runtime.client import operate

    arguments = {"order": order, **({"tenant": tenant} if tenant else {}), **told}
    return operate(folders_of(data), control.Operate("order_log", "audit_log", arguments))


def _counts(row: Any) -> str:
    purged = f" ({row['purged']} purged)" if row["purged"] else ""
    return f"{row['records']} records{purged}  {row['seals']} seals"


def _outcome(row: Any) -> str:
    if row["fault"]:
        return f"✘ {row['fault']}"
    return f"whole but for {row['acknowledged']} acknowledged" if row["acknowledged"] else "whole"
