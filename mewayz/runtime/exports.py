"""A person's data out of all modules: each is asked over its own socket, with a token that the routers' key signs."""

import time
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import msgspec

from mewayz.folders import folders_of
from mewayz.passwords import Passwords
from mewayz.runtime.opened import modules_with_database
from mewayz.runtime.orders import Task
from mewayz.runtime.sessions import post
from shared.clock import Clock, clock_from
from shared.errors import Unavailable
from shared.module.privacy import EXPORT_PATH
from shared.wire.principal import Principal
from shared.wire.token import SigningKey, sign_internal

_MODULE_S = 25.0
_ROUNDS = 8


class NotKept(Unavailable):
    """Module privacy can't keep that data was handed over: then none is."""

    code = "NOT_KEPT"


async def export_person(task: Task, tenant: UUID) -> dict[str, Any]:
    """Return what all modules hold of the person named by `email` and `ids` (joined by commas); who doesn't answer is named.

    Modules that find further ids of the person are asked again, all of them. Raises NotKept where module privacy is away.
    """
    asked = task.operate.arguments
    ids = {UUID(one) for one in asked.get("ids", "").split(",") if one}
    rows: dict[str, list[Any]] = {}
    missing: list[str] = []
    known: set[UUID] | None = None
    clock = clock_from(task.clock, test_data=task.test_data)
    caller = _Caller(Path(task.secrets), tenant, clock)
    for _ in range(_ROUNDS):
        if known == ids:
            break
        known, rows, missing = set(ids), {}, []
        body = msgspec.json.encode({"tenant": tenant, "ids": sorted(known), "emails": [asked["email"]]})
        for slug in await modules_with_database(task.admin_url):
            answer = await caller.ask(slug, EXPORT_PATH, body)
            if answer is None:
                missing.append(slug)
                continue
            rows[slug] = answer["rows"]
            ids |= {UUID(one) for one in answer["found"]}
    told = {"tenant": tenant, "subjectEmail": asked["email"], "subjectIds": sorted(ids), "modules": len(rows)}
    kept = await caller.ask("privacy", "/privacy/handed-over", msgspec.json.encode(told))
    if kept is None:
        raise NotKept("Module privacy doesn't answer, and no data leaves without a note: see `mewayz status`.")
    return {
        "reference": kept["reference"],
        "tenant": str(tenant),
        "email": asked["email"],
        "ids": sorted(map(str, ids)),
        "exportedAt": clock.now().isoformat(),
        "modules": {slug: found for slug, found in rows.items() if found},
        "missing": missing,
    }


class _Caller:
    """Asks modules in the supervisor's name."""

    def __init__(self, secrets: Path, tenant: UUID, clock: Clock) -> None:
        key = Passwords(secrets).make_router_key()
        self._folders = folders_of(secrets.parent)
        self._key = SigningKey.from_bytes(bytes.fromhex(key.private))
        self._tenant = tenant
        self._clock = clock

    async def ask(self, slug: str, path: str, body: bytes) -> Any:
        """Return a module's answer, None where it gives none."""
        deadline = time.time() + _MODULE_S
        token = sign_internal(
            self._key,
            Principal(tenant=self._tenant),
            audience=slug,
            body=body,
            deadline=deadline,
            via="supervisor",
            clock=self._clock,
        )
        try:
            with anyio.fail_after(_MODULE_S):
                status, answer = await post(self._folders.module_socket(slug), path, body, token)
        except (OSError, TimeoutError, ValueError, IndexError):
            return None
        return msgspec.json.decode(answer) if status == 200 else None
