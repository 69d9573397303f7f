"""Run by test_full_disk.py inside `unshare -rm`: a platform whose disk fills up under load, and is emptied again.

The streams lie on a disk of 32 MB of their own, or everything on one of 700 MB; it prints the ledger as one line of JSON.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from benchmarks.chaos import MODULES
from benchmarks.chaos_ledger import compare
from benchmarks.chaos_load import Clients, Token
from mewayz.compose import compose_modules
from tests.services import Platform

_PATIENCE_S = 120.0


def main() -> None:
    """Mount, run, print."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    data = folder / "data"
    disk, size_mb = (data / "nats", 32) if what == "nats" else (data, 750)
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(disk)], check=True)
    assert not compose_modules(check=False, into=folder / "schema", modules_from=[str(MODULES)])
    arguments = ["--modules", "identity,journal,teller", "--supergraph", str(folder / "schema" / "supergraph.graphql")]
    with Platform(data, *arguments, "--demo-scale", "0", modules_from=[MODULES], demo=True) as platform:
        try:
            print(json.dumps(anyio.run(_run, platform, disk, what == "all")))
        except BaseException:
            _tell(platform)  # the disk goes with this process
            raise


async def _run(platform: Platform, disk: Path, is_whole: bool) -> dict[str, Any]:
    clients = Clients(platform, Token(platform))
    await clients.open_accounts()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clients.run)
        await _until(lambda: len(clients.acked) > 50)
        _fill(disk)
        if is_whole:
            await _stands_still(clients)
        full_at = len(clients.acked)
        await anyio.sleep(8)  # long enough for everything to be written to, and fail
        states = {one["name"]: one["state"] for one in platform.status()["modules"]}
        (disk / "ballast").unlink()
        while_full = len(clients.acked)
        await _until(lambda: len(clients.acked) > while_full + 50)
        clients.stop()
    ledger = await compare(platform, clients)
    acked = {"before": full_at, "while_full": while_full - full_at, "in_all": len(clients.acked)}
    return {"acked": acked, "states": states, **ledger}


def _tell(platform: Platform) -> None:
    """Print how everything stands, and the last words of each log."""
    for path in sorted((platform.data / "log").glob("*.log")):
        last = path.read_text(errors="replace").splitlines()[-8:]
        print(f"--- {path.name}", *(line[:300] for line in last), sep="\n", file=sys.stderr)
    print(platform.run("status").stdout[-3000:], file=sys.stderr)


def _fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        for size in (1024 * 1024, 4096):
            try:
                while True:
                    ballast.write(b"\0" * size)
            except OSError:
                continue


async def _stands_still(clients: Clients) -> None:
    """Wait until nothing is acknowledged for five seconds: pages and WAL that PostgreSQL had made before take some more."""
    end = time.monotonic() + _PATIENCE_S
    counted, since = len(clients.acked), time.monotonic()
    while time.monotonic() < since + 5:
        assert time.monotonic() < end, "a full disk took everything"
        await anyio.sleep(0.1)
        if len(clients.acked) > counted:
            counted, since = len(clients.acked), time.monotonic()


async def _until(condition: Any) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it didn't go on"
        await anyio.sleep(0.1)


if __name__ == "__main__":
    main()
