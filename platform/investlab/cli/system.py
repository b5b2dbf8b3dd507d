"""The command `doctor`: is the ground sound?"""

import typer

from investlab.cli.output import STYLE, show
from investlab.core.config import load_settings
from investlab.services.doctor import examine

doctor = typer.Typer(**STYLE)


@doctor.command()
def run_doctor() -> None:
    """Check the ground investlab stands on: libraries, home, disk, descriptors, database."""
    findings = examine(load_settings())
    show([finding.model_dump() for finding in findings])
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)
