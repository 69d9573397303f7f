"""What was acknowledged, against what lies in the databases."""

import asyncio
import time
from collections import Counter
from typing import Any

import asyncpg

from benchmarks.chaos_load import Clients
from mewayz.folders import folders_of
from tests.services import Platform

_SETTLE_S = 90.0
_ENTRIES = "select account_id::text, number, after, label from entry"
_POSTINGS = "select account_id::text, number, label from posting"


async def compare(platform: Platform, clients: Clients) -> dict[str, int]:
    """Wait until Journal has heard everything, then count what is lost, twice and out of order."""
    postings = await _rows(platform, "teller", _POSTINGS)
    entries = await _settled(platform, len(postings))
    labels = Counter(row["label"] for row in postings)
    heard = Counter((row["account_id"], row["number"]) for row in entries)
    posted = {(row["account_id"], row["number"]) for row in postings}
    acked_lost = [label for label in clients.acked if label not in labels]
    return {
        "written": len(postings),
        "applied": len(entries),
        "lost": len(acked_lost) + len(posted - heard.keys()),
        "twice": sum(count - 1 for count in (*labels.values(), *heard.values())),
        "out_of_order": sum(row["after"] != row["number"] - 1 for row in entries),
        "waiting": await _waiting(platform),
    }


async def _settled(platform: Platform, expected: int) -> list[Any]:
    """Return Journal's entries once Teller has sent all it has and there are as many as expected, or after a while."""
    end = time.monotonic() + _SETTLE_S
    while True:
        is_sent = not await _unsent(platform)
        entries = await _rows(platform, "journal", _ENTRIES)
        if (is_sent and len(entries) >= expected) or time.monotonic() > end:
            return entries
        await asyncio.sleep(0.5)


async def _waiting(platform: Platform) -> int:
    """Return how many events are parked, or were never sent."""
    parked = await _rows(platform, "journal", "select 1 from kit.inbox_parked", role="relay")
    return len(parked) + len(await _unsent(platform))


async def _unsent(platform: Platform) -> list[Any]:
    return await _rows(platform, "teller", "select 1 from kit.outbox", role="relay")


async def _rows(platform: Platform, module: str, statement: str, *, role: str = "app") -> list[Any]:
    connection = await _connect(platform, module, role)
    try:
        if role == "app":
            owner = await _connect(platform, module, "relay")
            tenant = await owner.fetchval("select tenant_id from kit.tenant where slug = 'lumen'")
            await owner.close()
            await connection.execute("select set_config('app.tenant_id', $1, false)", str(tenant))
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def _connect(platform: Platform, module: str, role: str) -> "asyncpg.Connection[Any]":
    folders = folders_of(platform.data)
    return await asyncpg.connect(
        host=str(folders.postgres_socket),
        user=f"mewayz_{module}_{role}",
        password=(folders.secrets / f"role-{module}_{role}").read_text().strip(),
        database=f"mewayz_{module}",
        server_settings={"search_path": f"{module},kit"},
    )
