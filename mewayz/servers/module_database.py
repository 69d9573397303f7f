"""The addresses of one module's database."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from mewayz.passwords import Passwords

_EXTRA_ROLES = {
    "audit_log": ("audit_log_purge",),  # AUD-1: who deletes is not who writes
    "identity": ("identity_login",),  # contracts.md, "Sign-in": identity alone has tables outside tenancy
}


@dataclass(frozen=True, slots=True)
class ModuleDatabase:
    """The URLs of one module's database, a role each; all but `owner_url` hold a password of that role alone.

    `owner_url` is the administrator's with the parameter `role`, since the owner can't log in: as asyncpg reads it, the
    session starts as the owner. It goes to the migration only.
    """

    owner_url: str
    app_url: str
    relay_url: str
    extra_urls: dict[str, str] = field(default_factory=dict[str, str])
    successors: dict[str, str] = field(default_factory=dict[str, str])  # a URL -> it with the password that comes next
    is_new: bool = False


def logins(slug: str) -> list[str]:
    """Return the roles of module `slug` that log in, without `mewayz_`: app, relay, and further ones."""
    return [f"{slug}_app", f"{slug}_relay", *_EXTRA_ROLES.get(slug, ())]


def module_database(admin_url: str, slug: str, passwords: Passwords) -> ModuleDatabase:
    """Return the URLs of module `slug`'s database on the server of `admin_url`; nothing is asked there."""
    database = f"mewayz_{slug}"
    names = logins(slug)
    urls = [_url(admin_url, database, f"mewayz_{name}", passwords.of(f"role-{name}")) for name in names]
    coming = [(name, passwords.successor(f"role-{name}")) for name in names]
    return ModuleDatabase(
        owner_url=_url(admin_url, database, role=f"{database}_owner"),
        app_url=urls[0],
        relay_url=urls[1],
        extra_urls=dict(zip(names[2:], urls[2:], strict=True)),
        successors={
            url: _url(admin_url, database, f"mewayz_{name}", password)
            for url, (name, password) in zip(urls, coming, strict=True)
            if password is not None
        },
    )


def _url(admin_url: str, database: str, user: str | None = None, password: str | None = None, **more: str) -> str:
    """Return `admin_url` with another database, and another user and parameters where given."""
    parts = urlsplit(admin_url)
    credentials, _, host = parts.netloc.rpartition("@")
    if user is not None:
        credentials = f"{quote(user)}:{quote(password or '')}"
    query = urlencode([*parse_qsl(parts.query), *more.items()], safe="/")
    return urlunsplit((parts.scheme, f"{credentials}@{host}", f"/{database}", query, ""))
