"""Commands about the installation: doctor and db."""

from typing import Annotated

import typer

from investlab.cli.output import STYLE, say, show
from investlab.core.config import load_settings
from investlab.migrations.runner import downgrade, upgrade
from investlab.services.doctor import examine

doctor = typer.Typer(**STYLE)
db = typer.Typer(help="The database and its migrations.", no_args_is_help=True, **STYLE)


@doctor.command()
def run_doctor() -> None:
    """Check the ground investlab stands on: libraries, home, disk, descriptors, database."""
    findings = examine(load_settings())
    show([finding.model_dump() for finding in findings])
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


@db.command("upgrade")
def db_upgrade(revision: Annotated[str, typer.Argument(help="A revision, or head.")] = "head") -> None:
    """Bring the database up to a revision."""
    say(f"The database is at {upgrade(load_settings().sqlalchemy_url, revision)}.")


@db.command("downgrade")
def db_downgrade(revision: Annotated[str, typer.Argument(help="A revision, or base.")]) -> None:
    """Take the database down to a revision; tables above it are dropped with their rows."""
    say(f"The database is at {downgrade(load_settings().sqlalchemy_url, revision) or 'base'}.")
