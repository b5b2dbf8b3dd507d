"""Commands about the database and the home: revisions, checks, sizes, backups, restores and copies."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from investlab.cli.output import STYLE, output, say, show
from investlab.core.config import load_settings
from investlab.core.errors import Conflict, Corrupt
from investlab.core.logging import configure_logging
from investlab.services.backup import back_up, copy_home_database
from investlab.services.home_upgrade import downgrade_home, upgrade_home
from investlab.services.restoring import RestoreRequest, read_manifest, restore, verify_backup
from investlab.services.verification import database_state, database_stats, verify_database, verify_stores
from investlab.services.workspace import open_workspace

db = typer.Typer(help="The database: migrations, checks, backups and copies.", no_args_is_help=True, **STYLE)


@db.command("current")
def db_current() -> None:
    """Show where the database is, its revision, and the steps an upgrade would take."""
    state = database_state(load_settings())
    show([state.model_dump() | {"pending": ", ".join(state.pending)}])


@db.command("upgrade")
def db_upgrade(revision: Annotated[str, typer.Argument(help="A revision, or head.")] = "head") -> None:
    """Bring the database up to a revision, after a backup of it."""
    settings = load_settings()
    configure_logging(settings)
    say(f"The database is at {upgrade_home(settings, revision=revision)}.")


@db.command("downgrade")
def db_downgrade(
    revision: Annotated[str, typer.Argument(help="A revision, or base.")],
    yes: Annotated[bool, typer.Option("--yes", help="Go down even where rows are lost by it.")] = False,
) -> None:
    """Take the database down to a revision, after a backup of it."""
    settings = load_settings()
    configure_logging(settings)
    try:
        at = downgrade_home(settings, revision, lose_rows=yes)
    except Conflict as error:
        if "rows" not in error.details or not _is_interactive() or not typer.confirm(f"{error.detail} Go on?"):
            raise
        at = downgrade_home(settings, revision, lose_rows=True)
    say(f"The database is at {at or 'base'}.")


@db.command("verify")
def db_verify(
    backup: Annotated[Path | None, typer.Option(help="Check this backup instead of the home.")] = None,
) -> None:
    """Check that everything is whole: database, audit chain, artifacts, stored bars, predictions."""
    settings = load_settings()
    if backup is not None:
        manifest = read_manifest(backup.expanduser().absolute())
        verify_backup(backup.expanduser().absolute(), manifest)
        say(f"The backup of {manifest.made_at:%Y-%m-%d %H:%M} UTC is whole: {len(manifest.files):,} files.")
        return
    findings = verify_database(settings)
    if all(finding.state == "ok" for finding in findings):
        with closing(open_workspace(settings=settings)) as lab:
            findings += verify_stores(lab.context, say)
    show([finding.model_dump() for finding in findings])
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(Corrupt.exit_code)


@db.command("stats")
def db_stats() -> None:
    """Show rows and bytes of every table and its indexes, largest first, and of the whole."""
    stats = database_stats(load_settings())
    show([table.model_dump() for table in stats.tables])
    log = "" if stats.wal_bytes is None else f", and {stats.wal_bytes:,} bytes of write-ahead log"
    say(f"The database has {sum(table.rows for table in stats.tables):,} rows in {stats.bytes:,} bytes{log}.")


@db.command("backup")
def db_backup(
    to: Annotated[Path | None, typer.Option(help="Folder that holds backups; the home's unless given.")] = None,
) -> None:
    """Write a backup of the home: database, stored bars, artifacts, predictions; others may write meanwhile."""
    with closing(open_workspace()) as lab:
        receipt = back_up(lab.context, to)
    show([receipt.model_dump(exclude={"left_out"})])
    for fault in receipt.left_out:
        say(f"Not in the backup: {fault}")
    if receipt.left_out:
        raise typer.Exit(Corrupt.exit_code)


@db.command("restore")
def db_restore(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="Folder of the backup.")],
    replace: Annotated[bool, typer.Option("--replace", help="Set aside what the home holds first.")] = False,
) -> None:
    """Make the home what a backup holds, every file checked before and after; nothing is deleted."""
    show([restore(load_settings(), RestoreRequest(source, replace)).model_dump()])


@db.command("copy")
def db_copy(to: Annotated[str, typer.Option(help="URL of an empty SQLite or PostgreSQL database.")]) -> None:
    """Copy every table to another database; rows and hashes of each are compared before it counts."""
    with closing(open_workspace()) as lab:
        show([copy_home_database(lab.context, to).model_dump()])


def _is_interactive() -> bool:
    return sys.stdin.isatty() and not output.as_json
