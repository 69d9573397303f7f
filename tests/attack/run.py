"""schemathesis, clairvoyance and pip-audit against a platform of its own; exit 1 where one of them finds something."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.services import Platform

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-attack" / "bin"
# They end the caller's own access, and with it the run.
_ENDING = r"Mutation\.(setMfaPolicy|enableMfa|confirmMfa|disableMfa|endSession|revoke.*|deactivateUser|closeTenant|suspendTenant)"
_LONGEST_S = 540
_WORDS = ("customers", "deals", "invoices", "employees", "id", "name", "email", "amount", "users", "tenants")


def main() -> int:
    """Run all three and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long schemathesis goes on")
    seconds = parser.parse_args().seconds
    if seconds > _LONGEST_S:
        parser.error(f"an access token lives ten minutes: at most {_LONGEST_S} seconds")
    with tempfile.TemporaryDirectory(prefix="mewayz-attack-") as folder:
        data = Path(folder) / "data"
        with Platform(data, "--demo-scale", "0", demo=True) as platform:
            found = {
                "schemathesis": _schemathesis(platform, seconds),
                "clairvoyance": _clairvoyance(platform, Path(folder)),
                "pip-audit": _pip_audit(),
            }
    for name, outcome in found.items():
        print(f"{name:13} {outcome}")
    return 1 if any(outcome.startswith("found") for outcome in found.values()) else 0


def _schemathesis(platform: Platform, seconds: int) -> str:
    """Send generated operations, as the owner of a company; nothing may fail inside."""
    command = [
        str(TOOLS / "schemathesis"),
        "run",
        _url(platform),
        "-H",
        f"Authorization: Bearer {platform.token('harbour')}",
    ]
    bounds = ["--max-time", str(seconds), "--phases", "fuzzing", "--workers", "2", "--suppress-health-check", "all"]
    checks = ["--checks", "nothing_fails_inside", "--exclude-name-regex", _ENDING]
    hooks = {**os.environ, "SCHEMATHESIS_HOOKS": str(Path(__file__).with_name("hooks.py"))}  # noqa: TID251
    done = subprocess.run([*command, *bounds, *checks], capture_output=True, text=True, check=False, env=hooks)
    counted = [line.strip() for line in done.stdout.splitlines() if "generated" in line]
    if done.returncode:
        print(done.stdout[-8000:], done.stderr[-2000:], file=sys.stderr)
        return "found failures; they stand above"
    return counted[-1] if counted else "found nothing to test"


def _clairvoyance(platform: Platform, folder: Path) -> str:
    """Try to recover the schema without a token, from suggestions and errors."""
    words, recovered = folder / "words", folder / "schema.json"
    words.write_text("\n".join(_WORDS))
    command = [str(TOOLS / "clairvoyance"), _url(platform), "-w", str(words), "-o", str(recovered), "-m", "1"]
    subprocess.run(command, capture_output=True, check=False, timeout=300)
    return "found a schema" if recovered.exists() else "no schema recovered"


def _pip_audit() -> str:
    """Look the platform's packages up in the advisory database, where it can be reached."""
    command = [str(TOOLS / "pip-audit"), "--require-hashes", "--disable-pip", "-r", str(ROOT / "requirements.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode == 0:
        return "no known vulnerability"
    if "ConnectionError" in done.stderr or "Max retries" in done.stderr or "Could not connect" in done.stderr:
        return "not reachable"
    print(done.stdout[-4000:], done.stderr[-4000:], file=sys.stderr)
    return "found advisories, or failed; see above"


def _url(platform: Platform) -> str:
    return f"http://127.0.0.1:{platform.port}/graphql"


if __name__ == "__main__":
    sys.exit(main())
