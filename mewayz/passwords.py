"""The passwords of servers, roles and users: made once, kept beside the data, one a file of mode 0600.

One that is being exchanged has a *successor* in a file of its own, `<name>.next`, until everybody knows it (ADR 0024).
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from mewayz.folders import sync_names, write_whole
from shared.wire.bootstrap import FormerKey
from shared.wire.receipt import LONGEST_WAIT

_ROUTER_KEY = "router-signing-key"
_NEXT = ".next"
KEY_LEFT_S = 60.0  # in modules: a router looks for its key each second, and its tokens count for 30 s, give or take 5
QUEUED_S = LONGEST_WAIT.total_seconds() + 60  # no command is executed later


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """The public half of a key that routers signed with until `at`, in seconds since the epoch."""

    kid: str
    public: str
    at: float


@dataclass(frozen=True, slots=True)
class RouterKey:
    """The key that routers sign internal tokens with, as text: its halves in hexadecimal, and the public one's id.

    `former` are those before it that may have signed a command that still waits.
    """

    private: str
    kid: str
    public: str
    former: tuple[RetiredKey, ...] = ()

    def former_keys(self, left_s: float) -> dict[str, FormerKey]:
        """Return the former ones by `kid`, each counting for `left_s` after its end."""
        return {one.kid: FormerKey(one.public, one.at + left_s) for one in self.former}


class Passwords:
    """The password files of one data folder."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which exists and has mode 0700."""
        self._folder = folder
        self._made: set[str] = set()

    def of(self, name: str) -> str:
        """Return the password called `name`, making it at the first time."""
        if (kept := self._read(name)) is not None:
            return kept
        password = secrets.token_urlsafe(24)
        self.keep(name, password)
        self._made.add(name)
        return password

    def is_new(self, name: str) -> bool:
        """Return whether `of` made the password in this run, so that a server can't know it yet."""
        return name in self._made

    def names(self, beginning: str) -> list[str]:
        """Return the names of the passwords that there are and that begin so."""
        found = (path.name for path in self._folder.glob(f"{beginning}*"))
        return sorted(name for name in found if not name.endswith(_NEXT))

    def successor(self, name: str) -> str | None:
        """Return the password that is about to take the place of the one called `name`, None where none is."""
        return self._read(name + _NEXT)

    def make_successor(self, name: str) -> str:
        """Return the successor of the password called `name`: the one of an exchange that was begun, or a new one."""
        made = self.successor(name) or secrets.token_urlsafe(24)
        self.keep(name + _NEXT, made)
        return made

    def succeed(self, name: str) -> None:
        """Put the successor in the place of the password called `name`, where there is one."""
        if self.successor(name) is not None:
            (self._folder / (name + _NEXT)).replace(self._folder / name)
            sync_names(self._folder)

    def heirs(self, beginning: str) -> list[str]:
        """Return the names of the passwords that have a successor and begin so: an exchange was begun."""
        return [name for name in self.names(beginning) if self.successor(name) is not None]

    def router_key(self) -> RouterKey | None:
        """Return the key that routers sign with, None before it is made: what waits in the queue outlives a restart."""
        lines = [line.split() for line in (self._read(_ROUTER_KEY) or "").splitlines()]
        if not lines or len(lines[0]) != 3:
            return None
        private, kid, public = lines[0]
        return RouterKey(private, kid, public, tuple(RetiredKey(one[0], one[1], float(one[2])) for one in lines[1:]))

    def make_router_key(self) -> RouterKey:
        """Return the key that routers sign with, making it at the first time. It takes the cryptography into memory."""
        return self.router_key() or self._keep_router_key(())

    def exchange_router_key(self, now_s: float) -> RouterKey:
        """Put a new key in the place of the one that routers sign with, which is remembered as a former one."""
        known = self.router_key()
        former = (RetiredKey(known.kid, known.public, now_s), *known.former) if known else ()
        return self._keep_router_key(tuple(one for one in former if one.at + QUEUED_S > now_s))

    def keep(self, name: str, content: str) -> None:
        """Write a secret so that a crash, of the machine too, leaves the old one or the new one, whole.

        A server may keep a password for good that only its file tells.
        """
        write_whole(self._folder / name, f"{content}\n".encode(), sync=True)
        sync_names(self._folder)

    def _keep_router_key(self, former: tuple[RetiredKey, ...]) -> RouterKey:
        from shared.wire.token import SigningKey, public_bytes

        key = SigningKey.generate()
        made = RouterKey(key.to_bytes().hex(), key.kid, public_bytes(key.public).hex(), former)
        lines = [f"{made.private} {made.kid} {made.public}", *(f"{one.kid} {one.public} {one.at}" for one in former)]
        self.keep(_ROUTER_KEY, "\n".join(lines))
        return made

    def _read(self, name: str) -> str | None:
        try:
            return (self._folder / name).read_text().strip()
        except FileNotFoundError:
            return None
