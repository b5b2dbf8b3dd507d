"""Commands about extensions: what is installed, and what the home's folder declares."""

from typing import Annotated

import typer

from investlab.cli.output import STYLE, show
from investlab.core.config import load_settings
from investlab.core.errors import NotFound
from investlab.core.extensions import GROUPS
from investlab.services.strategies import list_extensions

app = typer.Typer(help="Extensions: strategies, providers, learners and more.", no_args_is_help=True, **STYLE)


@app.callback()
def extensions() -> None:
    """Extensions: strategies, providers, learners and more."""


@app.command("list")
def list_all(
    group: Annotated[str | None, typer.Option(help="One group only, such as strategies.")] = None,
) -> None:
    """List the extensions with their source; nothing is executed, and exit code 1 says that a file cannot be read."""
    groups = {each.rpartition(".")[2]: each for each in GROUPS}
    if group is not None and group not in groups:
        raise NotFound.named("group of extensions", group, groups)
    rows = list_extensions(load_settings(), None if group is None else groups[group])
    show(
        [
            {
                "group": row.group.rpartition(".")[2],
                "name": row.name,
                "target": row.target,
                "source": row.source,
                "problem": row.problem,
            }
            for row in rows
        ]
    )
    if any(row.problem for row in rows):
        raise typer.Exit(1)
