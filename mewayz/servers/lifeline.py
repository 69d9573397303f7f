"""The lifeline: a pipe whose writing end is held by `up` and its supervisor. When both are gone, everything else ends.

So a supervisor may die alone and its successor finds all processes at work, and yet nothing outlives the platform.
"""

import fcntl
import os
import select
import signal
import sys

_F_SETSIG = 10  # Linux: which signal the kernel sends when the descriptor becomes ready


def open_lifeline(descriptor: int) -> int:
    """Return a reading end of one's own: who is told of the end is a property of the open file, not of the process."""
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK)


def end_with(lifeline: int, number: signal.Signals) -> None:
    """Have the kernel send `number` to this process, also after exec, when the lifeline's writers are gone (Linux)."""
    if sys.platform != "linux":
        return
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, _F_SETSIG, int(number))
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)
    if poll.poll(0):  # they had gone before we asked
        os.kill(os.getpid(), number)
