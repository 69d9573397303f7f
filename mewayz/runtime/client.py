"""The supervisor's control socket, the asking side: what `mewayz status`, `stop` and their kind use."""

import socket
from typing import Any, TypeVar

import msgspec

from mewayz.failures import NotRunning
from mewayz.folders import Folders
from shared.errors import InvalidInput
from shared.wire.control import Answer, Operate, Request

_TIMEOUT_S = 60
_LONG_S = 3600  # an operator's task goes through all there is
_Reply = TypeVar("_Reply")


class Refused(InvalidInput):
    """The supervisor says no."""

    code = "REFUSED"


class CutOff(NotRunning):
    """The supervisor ended before it answered."""


def ask(folders: Folders, request: Request, reply: type[_Reply], *, timeout_s: float = _TIMEOUT_S) -> _Reply:
    """Send one request and return the reply.

    Raises NotRunning, as CutOff where the request had been sent, and Refused with the supervisor's sentence.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(folders.control_socket))
        except OSError:
            raise NotRunning(folders.data) from None
        connection.sendall(msgspec.json.encode(request) + b"\n")
        with connection.makefile("rb") as lines:
            line = lines.readline()
    if not line:
        raise CutOff(folders.data)
    if error := msgspec.json.decode(line, type=dict[str, object]).get("error"):
        raise Refused(str(error))
    return msgspec.json.decode(line, type=reply)


def command(folders: Folders, request: Request, *, timeout_s: float = _TIMEOUT_S) -> Answer:
    """Send a request whose reply is an Answer. Raises NotRunning, Refused."""
    return ask(folders, request, Answer, timeout_s=timeout_s)


def operate(folders: Folders, task: Operate) -> Any:
    """Have an operator's task done and return its result. Raises NotRunning, Refused."""
    return command(folders, task, timeout_s=_LONG_S).result
