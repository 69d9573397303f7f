"""Objects that live for ever: what forked processes share stays shared, because using it writes no count into it.

CPython counts references inside each object, so a child that merely calls a function copies the page it lies on. Since 3.12
an object whose count has one certain value is never counted again (PEP 683): the interpreter makes its own constants so,
and here everything becomes so that a zygote holds before it forks. It will never be freed, which is what a zygote wants.
"""

import ctypes
import gc
import sys
import sysconfig

# The interpreters whose objects look as written here, all tried: the count is the object's first 32 bits of 64, and all ones
# mean "never counted". Extensions built before 3.12 count with all 64 bits: one of theirs carries into the upper half, where
# the sum can't come down to zero.
_KNOWN = {(3, 12), (3, 13)}
_NEVER_COUNTED = b"\xff\xff\xff\xff"


def can_be_immortal() -> bool:
    """Return whether this interpreter knows immortal objects, in the layout that is known here."""
    is_counted_plainly = not sysconfig.get_config_var("Py_GIL_DISABLED") and not hasattr(sys, "gettotalrefcount")
    fits = sys.implementation.name == "cpython" and sys.byteorder == "little" and sys.maxsize > 2**32
    return sys.version_info[:2] in _KNOWN and is_counted_plainly and fits


def make_immortal() -> None:
    """Let everything that came since the last `gc.freeze`, and what it refers to, never be counted nor freed.

    Does nothing where the interpreter has no such objects.
    """
    if not can_be_immortal():
        return
    found = gc.get_objects()
    known = set(map(id, found))
    while found:
        found = [thing for thing in gc.get_referents(*found) if id(thing) not in known and not _is_immortal(thing)]
        known.update(map(id, found))
    for address in known:
        ctypes.memmove(address, _NEVER_COUNTED, 4)


def _is_immortal(thing: object) -> bool:
    return ctypes.c_int32.from_address(id(thing)).value < 0
