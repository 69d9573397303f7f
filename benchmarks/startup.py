"""How fast the platform is up with data present, what it holds in memory, and how fast the dashboard of a customer is.

`up_s`: from starting `mewayz up` to every module ready and the API answering. `memory_pss_mb`: the sum of PSS over all
processes, 30 s after the last request. `dashboard_p50_ms`: 1,000 requests after 50 to warm up, one client, HTTP and JWT.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.services import Platform

_DASHBOARD = (Path(__file__).parent / "dashboard.graphql").read_text()
_CUSTOMERS = "{ customers(first: 100) { nodes { id } } }"
_LISTS = ("projects", "openInvoices", "tickets", "deals")
_QUIET_S = 30


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        platform = Platform(Path(options.data or temporary), "--modules", options.modules, demo=True)
        platform.start(timeout_s=600)  # the first start makes the data
        platform.stop()
        started = time.monotonic()
        platform.start()
        figures: dict[str, Any] = {"up_s": round(time.monotonic() - started, 2)}
        try:
            milliseconds = dashboard_ms(platform, options.tenant, options.requests)
            time.sleep(options.quiet)
            figures["memory_pss_mb"] = round(sum(pss_mb(platform).values()), 1)
            figures["dashboard_p50_ms"] = round(statistics.median(milliseconds), 2)
            if not options.json:
                print(*(f"{name:<14} {mb:7.1f} MB" for name, mb in pss_mb(platform).items()), sep="\n")
                print(f"dashboard p99  {statistics.quantiles(milliseconds, n=100)[98]:.2f} ms")
        finally:
            platform.stop()
    print(json.dumps(figures))


def dashboard_ms(platform: Platform, tenant: str, requests: int) -> list[float]:
    """Return how long each of `requests` dashboard requests took, in milliseconds, after 50 that don't count."""
    token = platform.token(tenant)
    customer = _richest_customer(platform, token)
    body = json.dumps({"query": _DASHBOARD, "variables": {"customer": customer}})
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection("127.0.0.1", platform.port)
    took: list[float] = []
    for _ in range(50 + requests):
        started = time.perf_counter()
        connection.request("POST", "/graphql", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        took.append((time.perf_counter() - started) * 1000)
        assert answer.status == 200, content
    return took[50:]


def pss_mb(platform: Platform) -> dict[str, float]:
    """Return the proportional memory of each process in MB of 1,024 kB, as `free` counts; PostgreSQL's are one."""
    root = psutil.Process(platform.pid)
    found: dict[str, float] = {}
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):  # it has just ended
            name = _name(process)
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            found[name] = found.get(name, 0.0) + kilobytes / 1024
    return found


def _richest_customer(platform: Platform, token: str) -> str:
    """Return a customer who has three rows or more in each list of the dashboard, so that the joins have work."""
    for customer in _customers(platform, token):
        answer = platform.graphql(_DASHBOARD, {"customer": customer}, token=token)
        assert not answer.get("errors"), answer["errors"]
        if all(len(answer["data"]["customer"][name] or []) >= 3 for name in _LISTS):
            return customer
    sys.exit("No customer has three rows in every list of the dashboard: is the demo data loaded?")


def _customers(platform: Platform, token: str) -> Iterator[str]:
    answer = platform.graphql(_CUSTOMERS, token=token)
    assert not answer.get("errors"), answer["errors"]
    for node in answer["data"]["customers"]["nodes"]:
        yield node["id"]


def _name(process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    if line.startswith("mewayz: "):
        return line.removeprefix("mewayz: ").strip()
    known = {"postgres": "postgres", "nats-server": "nats", "supervisor": "supervisor"}
    return next((name for word, name in known.items() if word in line), "up")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Start-up, memory and dashboard")
    parser.add_argument("--json", action="store_true", help="print one line of JSON only")
    parser.add_argument("--data", help="a data folder to keep; without it a fresh one")
    parser.add_argument("--tenant", default="lumen")
    parser.add_argument("--modules", default="identity,crm,hr,invoicing,projects,support", help="which ones run")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--quiet", type=float, default=_QUIET_S, help="seconds of rest before memory is measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
