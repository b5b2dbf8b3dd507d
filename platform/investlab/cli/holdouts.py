"""The command `investlab backtest holdout`, and opening a holdout for one command."""

from typing import Annotated

import typer

from investlab.cli.output import STYLE, records, say, show
from investlab.services.workspace import Workspace, open_workspace

app = typer.Typer(
    help="Seal the last part of a dataset and see how often it was opened.", no_args_is_help=True, **STYLE
)
OpenHoldout = Annotated[
    str | None, typer.Option("--open-holdout", help="Open the dataset's holdout for this command; the reason is kept.")
]


@app.command("seal")
def seal(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.")],
    start: Annotated[str, typer.Option(help="First session held out, such as 2019-01-02.")],
) -> None:
    """Refuse panels that reach into the sessions from a start on; a holdout may grow, never shrink."""
    found = open_workspace().seal_holdout(dataset, start=start)
    say(f"{found.dataset} is sealed from {found.start} on.")


@app.command("list")
def list_holdouts() -> None:
    """List holdouts with their start, how often they were opened, and the last reason."""
    show(records(open_workspace().holdouts().reset_index()))


def workspace_for(dataset: str, as_of: str | None, reason: str | None) -> Workspace:
    """Return the workspace as of a time, with the dataset's holdout open if a reason is given."""
    workspace = open_workspace().as_of(as_of)
    return workspace if reason is None else workspace.open_holdout(dataset, reason=reason)
