"""`mewayz new-module` and `mewayz migration`: a folder that runs, and its database's next revision."""

import importlib.util
import json
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import anyio

from mewayz.folders import folders_of
from mewayz.modules import REPOSITORY, module_folders, slugs
from mewayz.passwords import Passwords
from shared.errors import InvalidInput

_TEMPLATES = Path(__file__).parent / "templates" / "module"
_SLUG = re.compile(r"[a-z][a-z0-9_]{1,40}")


class WrongModuleName(InvalidInput):
    """The name can't be a module's."""

    code = "WRONG_MODULE_NAME"


class ModuleExists(InvalidInput):
    """There is a module of that name already."""

    code = "MODULE_EXISTS"


def write_module(slug: str, into: Path, *, entity: str | None = None) -> list[Path]:
    """Write the files of a new module to `into/<slug>` and return them; its migration is written by `draft_migration`.

    Name, area and purpose come from the catalogue where it knows the slug; `entity` names the first entity, by default
    the catalogue's, else after the slug. Raises WrongModuleName, ModuleExists.
    """
    folder = into / slug
    if not _SLUG.fullmatch(slug) or keyword.iskeyword(slug):
        raise WrongModuleName(
            f"{slug!r} can't name a module: use 2 to 41 small letters, digits and _, beginning with a letter."
        )
    if folder.exists() or slug in slugs(module_folders()):
        raise ModuleExists(f"There is a module {slug!r} already: choose another name, or remove {folder} first.")
    names = _names(slug, entity)
    if not names["entity"].isidentifier() or not names["entity"][0].isupper():
        raise WrongModuleName(f"{entity!r} can't name an entity: write it like LoyaltyCard.")
    written: list[Path] = []
    for template in sorted(_TEMPLATES.rglob("*.txt")):
        target = folder / template.relative_to(_TEMPLATES).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(template.read_text()).substitute(names))
        written.append(target)
    (folder / "migrations").mkdir()
    return written


async def draft_migration(slug: str, message: str) -> Path | None:
    """Write the revision that brings the module's database to its models; None where there is nothing to change.

    A scratch PostgreSQL is started for it and removed again: no data of yours is touched.
    """
    from mewayz.servers.databases import make_database
    from mewayz.servers.postgres import Postgres
    from shared.database.migrate import draft_revision, migrate
    from shared.module import load

    module = load(slug)
    scratch = Path(tempfile.mkdtemp(prefix="mewayz-migration-"))
    folders = folders_of(scratch)
    folders.create()
    passwords = Passwords(folders.secrets)
    server = Postgres(folders, passwords)
    try:
        await server.start()
        urls = await make_database(server.admin_url, slug, passwords)
        await migrate(slug, module.migrations, urls.owner_url)
        written = await draft_revision(slug, module.migrations, module.metadata, urls.owner_url, message)
        if written is not None and importlib.util.find_spec("ruff"):  # a developer's machine
            for step in (("check", "--fix"), ("format",)):
                await anyio.run_process([sys.executable, "-m", "ruff", *step, "--quiet", str(written)], check=False)
        return written
    finally:
        await server.stop()
        shutil.rmtree(scratch, ignore_errors=True)


def _names(slug: str, entity: str | None) -> Mapping[str, str]:
    known: list[dict[str, Any]] = json.loads((REPOSITORY / "catalogue" / "modules.json").read_text())
    facts = next((module for module in known if module["slug"] == slug), None)
    upper = "".join(word.title() for word in slug.split("_"))
    named = entity or (facts["entities"][0]["name"] if facts else upper)
    row = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", named).lower()
    title = slug.replace("_", " ").title()
    return {
        "slug": slug,
        "upper": upper,
        "entity": named,
        "row": row,
        "words": row.replace("_", " "),
        "name": facts["name"] if facts else title,
        "area": facts["area"] if facts else "Own",
        "purpose": facts["purpose"] if facts else f"What {title} keeps.",
    }
