"""How `mewayz status` and `mewayz logs` are printed."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from shared.errors import InvalidInput
from shared.wire.control import Status


class NoLog(InvalidInput):
    """Nothing of that name has written a log."""

    code = "NO_LOG"


def printed(status: Status) -> str:
    """Return the JSON of contracts.md, "Where things are"."""
    return msgspec.json.encode(status).decode()


def as_text(status: Status) -> str:
    """Return a table for people."""
    router = "ready" if status.router.ready else "not ready"
    lines = [
        f"API         {status.api}",
        f"router      {router:<10} pid {status.router.pid or '-'}",
        f"PostgreSQL  {'':<10} pid {status.postgres.pid or '-':<8} {status.postgres.url}",
        f"NATS        {'':<10} pid {status.nats.pid or '-':<8} {status.nats.url}",
    ]
    if status.audit is not None:
        verdict = "; ".join(status.audit.faults) or f"all of {status.audit.sent} events are on the stream"
        lines.append(f"events      audited {status.audit.at:%H:%M} UTC: {verdict}")
    lines.append("")
    for module in status.modules:
        restarts = f"{module.restarts} restarts" if module.restarts else ""
        pid = f"pid {module.pid or '-'}"
        lines.append(f"{module.name:<11} {module.state:<10} {pid:<12} {restarts:<12} {module.reason or ''}".rstrip())
    return "\n".join(lines)


def log_lines(folder: Path, name: str | None, *, lines: int, follow: bool) -> Iterator[str]:
    """Yield the last `lines` lines of each log, then, with `follow`, new ones for ever. Raises NoLog."""
    paths = [folder / f"{name}.log"] if name else sorted(folder.glob("*.log"))
    if missing := [path for path in paths if not path.exists()]:
        raise NoLog(f"There is no log {missing[0]}.")
    files = {path.stem: path.open(errors="replace") for path in paths}
    for stem, file in files.items():
        yield from (f"{stem}: {line.rstrip()}" for line in deque(file, lines))
    while follow:
        time.sleep(0.2)
        for stem, file in files.items():
            yield from (f"{stem}: {line.rstrip()}" for line in file)
