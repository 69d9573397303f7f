"""Real servers, named by MEWAYZ_DATABASE_URL and MEWAYZ_NATS_URL, in the place of the embedded ones."""

from urllib.parse import unquote, urlsplit, urlunsplit

import anyio

from mewayz.servers.nats import NatsUser


class ExternalPostgres:
    """A PostgreSQL server (>= 18) that somebody else runs."""

    pid = None

    def __init__(self, admin_url: str) -> None:
        """Take the URL of a role with CREATEDB and CREATEROLE."""
        self.admin_url = admin_url
        self.admin_urls = [admin_url]
        self.url = without_user(admin_url)

    def adopt(self) -> None:
        """Do nothing: it runs."""

    async def start(self) -> bool:
        """Do nothing: it runs."""
        return False

    async def stop(self) -> None:
        """Do nothing: it isn't ours to stop."""

    async def ended(self) -> int:
        """Wait for ever: its end is not ours to see."""
        await anyio.sleep_forever()
        return 0


class ExternalNats:
    """A NATS server or cluster (>= 2.15) with JetStream that somebody else runs, and whose users he makes."""

    pid = None

    def __init__(self, admin_url: str) -> None:
        """Take the URL of a user who may make streams; every module uses it."""
        parts = urlsplit(admin_url)
        self.admin_url = admin_url
        self.url = without_user(admin_url)
        self._credentials = unquote(parts.username or ""), unquote(parts.password or "")

    def credentials(self, slug: str) -> tuple[str, str]:
        """Return the user and password for module `slug`."""
        return self._credentials

    async def allow(self, *users: NatsUser) -> None:
        """Do nothing: the users are the cluster's own matter."""

    async def end_exchange(self) -> None:
        """Do nothing: so are their passwords."""

    def adopt(self) -> None:
        """Do nothing: it runs."""

    async def start(self) -> bool:
        """Do nothing: it runs."""
        return False

    async def stop(self) -> None:
        """Do nothing: it isn't ours to stop."""

    async def ended(self) -> int:
        """Wait for ever: its end is not ours to see."""
        await anyio.sleep_forever()
        return 0


def without_user(url: str) -> str:
    """Return a URL without user and password, for people to read."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
