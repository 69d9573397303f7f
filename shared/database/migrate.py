"""Migrations of a module's database, run as its owner role before the module starts; the module never holds owner rights."""

import warnings
from pathlib import Path
from typing import Any

import asyncpg
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database.entity import EnumText, JsonOf

_HERE = Path(__file__).parent


async def migrate(slug: str, migrations: Path, url: str) -> None:
    """Bring the database `mewayz_<slug>` to the newest revision in the folder `migrations`, then renew rights and policies.

    `url` is that database's URL for a user that may SET ROLE to its owner. Repeating it changes nothing. Raises
    asyncpg.PostgresError or alembic's CommandError, and leaves the database as it was.
    """
    kit = (_HERE / "kit.sql").read_text()
    rights = (_HERE / "rls.sql").read_text().replace(":module", slug)
    engine = _owner_engine(slug, url)
    try:
        async with engine.begin() as connection:
            # Two starts at the same moment migrate one after the other.
            await connection.execute(text("select pg_advisory_xact_lock(hashtext('mewayz-migrate'))"))
            await connection.execute(text(f'create schema if not exists "{slug}"'))
            raw: Any = await connection.get_raw_connection()
            await raw.driver_connection.execute(kit)
            await connection.run_sync(_upgrade, slug, migrations)
            await raw.driver_connection.execute(rights)
    finally:
        await engine.dispose()


async def draft_revision(slug: str, migrations: Path, metadata: MetaData, url: str, message: str) -> Path | None:
    """Write an Alembic revision for what `metadata` has and the migrated database lacks; None where nothing differs."""
    engine = _owner_engine(slug, url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_draft, slug, migrations, metadata, message)
    finally:
        await engine.dispose()


def _owner_engine(slug: str, url: str) -> Any:
    async def connect() -> "asyncpg.Connection[Any]":
        # Alembic compares by schema name only where the search path leads elsewhere.
        settings = {"role": f"mewayz_{slug}_owner", "search_path": "pg_catalog"}
        return await asyncpg.connect(url, server_settings=settings)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect)


def _scripts(migrations: Path) -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(_HERE / "alembic"))
    config.set_main_option("version_locations", str(migrations))
    config.set_main_option("path_separator", "os")
    return config, ScriptDirectory.from_config(config)


def _upgrade(connection: Connection, slug: str, migrations: Path) -> None:
    config, scripts = _scripts(migrations)

    def revisions(current: Any, _context: MigrationContext) -> Any:
        return scripts._upgrade_revs("head", current)  # pyright: ignore[reportPrivateUsage]

    with EnvironmentContext(config, scripts, fn=revisions, destination_rev="head") as environment:
        environment.configure(connection=connection, version_table_schema="kit")
        environment.run_migrations()


def _draft(connection: Connection, slug: str, migrations: Path, metadata: MetaData, message: str) -> Path | None:
    _, scripts = _scripts(migrations)

    def own_schema(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "schema" or name == slug

    options: dict[str, Any] = {
        "compare_type": True,
        "include_schemas": True,
        "include_name": own_schema,
        "version_table_schema": "kit",
    }
    # Tables that refer to each other have no order; the author writes their foreign keys afterwards.
    warnings.filterwarnings("ignore", "Cannot correctly sort tables", SAWarning)
    context = MigrationContext.configure(connection, opts={**options, "target_metadata": metadata})
    script = produce_migrations(context, metadata)
    if script.upgrade_ops is None or script.upgrade_ops.is_empty():
        return None
    assert script.downgrade_ops is not None
    render: Any = {"render_item": _render}
    head = scripts.get_current_head()
    number = f"{int(head or 0) + 1:04d}"
    target = migrations / f"{number}_{'_'.join(message.lower().split())}.py"
    target.write_text(
        f'"""{message[0].upper()}{message[1:]}."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n'
        "from sqlalchemy.dialects import postgresql\n\n"
        f'revision = "{number}"\ndown_revision = {head!r}\nbranch_labels = None\ndepends_on = None\n\n\n'
        f"def upgrade() -> None:\n    {render_python_code(script.upgrade_ops, **render)}\n\n\n"
        f"def downgrade() -> None:\n    {render_python_code(script.downgrade_ops, **render)}\n"
    )
    return target


def _render(kind: str, item: Any, _context: Any) -> str | bool:
    """Write the kit's column types as the plain ones they are in the database."""
    if kind != "type" or not isinstance(item, EnumText | JsonOf):
        return False
    return "sa.Text()" if isinstance(item, EnumText) else "postgresql.JSONB(none_as_null=True)"
