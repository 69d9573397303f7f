"""Headless Chromium, driven over its debugging pipe: enough of the DevTools protocol for walks through our pages."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S

# The browser reads from descriptor 3 and writes to descriptor 4.
_LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str | None:
    """Return the program's path, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One page of a browser; `requests` are the addresses it asked for, `errors` what it complained of."""

    def __init__(self, write: int, read: int) -> None:
        """Talk over two pipes."""
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._write = write
        self._read = read
        self._buffer = b""
        self._number = 0
        self._session: str | None = None

    def open(self, url: str) -> None:
        """Open an address in a new tab."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return the JSON value of a JavaScript expression in the page; a promise is waited for."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression is true in the page; return its value."""
        end = time.monotonic() + PATIENCE_S
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"not true after {PATIENCE_S} s: {expression}\n{self.errors}"
            time.sleep(0.1)
        return value

    def type_into(self, selector: str, text: str) -> None:
        """Focus an element and type text."""
        self.until(f"!!document.querySelector({json.dumps(selector)})")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def insert(self, text: str) -> None:
        """Type text into what has the focus."""
        self._call("Input.insertText", text=text)

    def press(self, key: str, *, control: bool = False) -> None:
        """Press and release a letter's key, with Ctrl held down or without."""
        code = {"key": key, "code": f"Key{key.upper()}", "windowsVirtualKeyCode": ord(key.upper())}
        for kind in ("rawKeyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, modifiers=2 if control else 0, **code)

    def choose(self, selector: str, label: str) -> None:
        """Choose an option of a select by its label, as a person does."""
        self.until(
            f"[...document.querySelectorAll('{selector} option')].some(one => one.label === {json.dumps(label)})"
        )
        self.evaluate(
            f"(select => {{ select.value = [...select.options].find(one => one.label === {json.dumps(label)}).value;"
            " select.dispatchEvent(new Event('change', {bubbles: true})) })"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    def click(self, selector: str) -> None:
        """Click an element."""
        self.until(f"!!document.querySelector({json.dumps(selector)})")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def screenshot(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._read, 1 << 16)
            assert piece, "the browser ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(parameters["exceptionDetails"]["exception"].get("description", "an exception"))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(parameters["entry"]["text"])
            case _:
                pass


@contextmanager
def browser(*, width: int = 1440, height: int = 900) -> Iterator[Page]:
    """Run a browser with a profile of its own; nothing of it is left."""
    program = chromium()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="mewayz-browser-", ignore_cleanup_errors=True) as profile:
        to_read, write = os.pipe()
        read, to_write = os.pipe()
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        command += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}"]
        command += [f"--window-size={width},{height}", "about:blank"]
        launch = [sys.executable, "-c", _LAUNCH, str(to_read), str(to_write), *command]
        process = subprocess.Popen(launch, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        try:
            yield Page(write, read)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
            os.close(write)
            os.close(read)
