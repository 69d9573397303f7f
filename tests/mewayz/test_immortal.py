"""What a zygote holds is shared by its children for good, where the interpreter knows objects that are never counted."""

import json
import subprocess
import sys

import pytest

from mewayz.runtime.immortal import can_be_immortal

_COUNTED = """
import gc, json, sys, weakref
from mewayz.runtime.immortal import make_immortal

class Thing: ...

before, parts = Thing(), ("never counted", Thing())
make_immortal()
gc.freeze()
everything = [before, *parts]
counts = [sys.getrefcount(one) for one in everything]
held = [everything[:] for _ in range(1000)]
after = Thing()
gone = weakref.ref(after)
del after
print(json.dumps([counts == [sys.getrefcount(one) for one in everything], gone() is None]))
"""
_SHARED = """
import gc, os, re
from mewayz.runtime.immortal import make_immortal

things = [object() for _ in range(400_000)]  # 6 MB
make_immortal()
gc.freeze()
pid = os.fork()
if pid == 0:
    for thing in things:
        pass
    with open("/proc/self/smaps_rollup") as file:
        print(re.search(r"Private_Dirty:\\s+(\\d+)", file.read())[1], flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


def _printed_by(script: str) -> str:
    return subprocess.run([sys.executable, "-P", "-c", script], check=True, capture_output=True, text=True).stdout


def test_what_was_there_is_never_counted_and_what_comes_later_is() -> None:
    is_left_alone, is_freed = json.loads(_printed_by(_COUNTED))

    assert is_left_alone == can_be_immortal()
    assert is_freed


@pytest.mark.skipif(not can_be_immortal(), reason="this interpreter counts every reference")
def test_a_child_that_uses_everything_copies_little_of_it() -> None:
    assert int(_printed_by(_SHARED)) < 3_000  # kB
