"""What the supervisor reports to `up` while it starts, and how `up` prints it: in plain lines or for a terminal."""

import os
import sys
from typing import Protocol, TextIO

import msgspec

from shared.wire.control import Login


class Step(msgspec.Struct, frozen=True, tag="step"):
    """A part of the start is done; it took `seconds`."""

    name: str
    seconds: float
    note: str = ""


class Trouble(msgspec.Struct, frozen=True, tag="trouble"):
    """Something doesn't run, and the rest does."""

    message: str
    remedy: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The start failed."""

    code: str
    message: str
    remedy: str
    exit_code: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Everything that can run does. `logins` are the demo's, if any; `is_first` when they were made just now."""

    address: str
    seconds: float
    logins: list[Login] = []
    is_first: bool = False


class Stopped(msgspec.Struct, frozen=True, tag="stopped"):
    """Everything has ended in order; the stop took `seconds`."""

    seconds: float


Report = Step | Trouble | Failed | Ready | Stopped


class Screen(Protocol):
    """Where reports are shown."""

    def show(self, report: Report) -> None:
        """Print one report."""
        ...


def screen(stream: TextIO = sys.stdout) -> Screen:
    """Return the screen that fits `stream`: coloured on a terminal, unless NO_COLOR or CI is set."""
    plain = not stream.isatty() or os.getenv("NO_COLOR") or os.getenv("CI")
    return PlainScreen(stream) if plain else Terminal()


_NEXT = (
    ("./justw top", "modules, requests and events live"),
    ("./justw token --tenant lumen", "an access token, for curl"),
    ("./justw stop invoicing", "take a module away: the others go on; start brings it back"),
    ("./justw new-module loyalty", "a module of your own: docs/module-guide.md"),
)


class PlainScreen:
    """One line a report, `step=postgres status=ok seconds=0.8`, for logs and other programs."""

    def __init__(self, stream: TextIO) -> None:
        """Print to `stream`."""
        self._stream = stream

    def show(self, report: Report) -> None:
        """Print one report."""
        print(self._line(report), file=self._stream, flush=True)

    def _line(self, report: Report) -> str:
        match report:
            case Step(name, seconds, note):
                return f"step={name} status=ok seconds={seconds:.1f}" + (f" note={note!r}" if note else "")
            case Trouble(message, remedy):
                return f"! {message}\n  → {remedy}"
            case Failed(code, message, remedy):
                return f"✘ {message} [{code}]\n  → {remedy}"
            case Ready(address, seconds, logins):
                people = (f"{login.email}  {login.tenant}  {login.role}" for login in logins)
                return "\n".join((f"step=ready status=ok seconds={seconds:.1f}", f"API {address}/graphql", *people))
            case Stopped(seconds):
                return f"step=stop status=ok seconds={seconds:.1f}"


class Terminal:
    """Rich output for people."""

    def __init__(self) -> None:
        """Use standard output."""
        from rich.console import Console

        self._console = Console(highlight=False)

    def show(self, report: Report) -> None:
        """Print one report."""
        from rich.markup import escape

        match report:
            case Step(name, seconds, note):
                self._console.print(f"  [green]✔[/] {name:<14} {escape(note):<48} {seconds:5.1f} s")
            case Trouble(message, remedy):
                self._console.print(f"  [yellow]![/] {escape(message)}\n    → {escape(remedy)}")
            case Failed(code, message, remedy):
                self._console.print(f"[red]✘[/] {escape(message)}  [dim]\\[{code}][/]\n  → {escape(remedy)}")
            case Ready():
                self._ready(report)
            case Stopped(seconds):
                self._console.print(f"  Stopped in {seconds:.1f} s, nothing lost.")

    def _ready(self, report: Ready) -> None:
        address = report.address
        self._console.print(f"\n  [bold]Ready in {report.seconds:.1f} s[/]\n\n  API        {address}/graphql")
        self._console.print(f"  GraphiQL   {address}/graphiql")
        if report.logins:
            shown = "later: ./justw demo logins" if report.is_first else "./justw demo logins  prints their passwords"
            self._console.print(f"\n  Sign in    as one of these; {shown}")
            for login in report.logins:
                password = f"  {login.password}" if report.is_first else ""
                line = f"    {login.email:<31}{login.tenant:<10}{login.role:<16}{password}"
                self._console.print(line.rstrip(), markup=False)
        self._console.print("\n  Try next, in another terminal")
        for command, what in _NEXT:
            self._console.print(f"    {command:<31}{what}")
        self._console.print("\n  Stop       Ctrl-C; nothing is lost")
