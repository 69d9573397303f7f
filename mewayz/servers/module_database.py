"""The addresses of one module's database."""

from dataclasses import dataclass, field


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
