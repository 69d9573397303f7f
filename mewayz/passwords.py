"""The passwords of servers, roles and users: made once, kept beside the data, one a file of mode 0600."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

_ROUTER_KEY = "router-signing-key"


@dataclass(frozen=True, slots=True)
class RouterKey:
    """The key that routers sign internal tokens with, as text: its halves in hexadecimal, and the public one's id."""

    private: str
    kid: str
    public: str


class Passwords:
    """The password files of one data folder."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which exists and has mode 0700."""
        self._folder = folder
        self._made: set[str] = set()

    def of(self, name: str) -> str:
        """Return the password called `name`, making it at the first time."""
        path = self._folder / name
        if path.exists():
            return path.read_text().strip()
        password = secrets.token_urlsafe(24)
        self.keep(name, password)
        self._made.add(name)
        return password

    def is_new(self, name: str) -> bool:
        """Return whether `of` made the password in this run, so that a server can't know it yet."""
        return name in self._made

    def router_key(self) -> RouterKey | None:
        """Return the key that routers sign with, None before it is made: what waits in the queue outlives a restart."""
        path = self._folder / _ROUTER_KEY
        parts = path.read_text().split() if path.exists() else []
        return RouterKey(*parts) if len(parts) == 3 else None

    def make_router_key(self) -> RouterKey:
        """Return the key that routers sign with, making it at the first time. It takes the cryptography into memory."""
        if (kept := self.router_key()) is not None:
            return kept
        from shared.wire.token import SigningKey, public_bytes

        key = SigningKey.generate()
        made = RouterKey(key.to_bytes().hex(), key.kid, public_bytes(key.public).hex())
        self.keep(_ROUTER_KEY, f"{made.private} {made.kid} {made.public}")
        return made

    def keep(self, name: str, content: str) -> None:
        """Write a secret so that a crash leaves the old one or the new one, whole."""
        draft = self._folder / f".{name}.new"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / name)
