"""Commands about datasets, instruments and bars."""

from pathlib import Path
from typing import Annotated

import typer

from investlab.cli import upkeep
from investlab.cli.output import STYLE, records, say, show
from investlab.cli.values import AsOf, Dataset, End, Start, Symbols, listed
from investlab.core.clock import parse_session
from investlab.core.config import load_settings
from investlab.core.errors import InvestlabError
from investlab.core.extensions import PROVIDERS, extensions
from investlab.services.ingest import IngestRequest, load_provider
from investlab.services.workspace import open_workspace

app = typer.Typer(help="Datasets, instruments and bars.", no_args_is_help=True, **STYLE)


@app.command("providers")
def list_providers() -> None:
    """List providers and the datasets they offer; one that cannot be used hides no other."""
    settings = load_settings()
    rows, refused = [], []
    for extension in extensions(PROVIDERS):
        try:
            offered = load_provider(extension.name, settings).datasets()
        except InvestlabError as error:
            refused.append(error)
            continue
        rows += [
            {"provider": extension.name, "dataset": found.name, "basis": found.price_basis, "title": found.title}
            for found in offered
        ]
    show(rows)
    if refused:
        raise refused[0]


@app.command()
def ingest(
    provider: Annotated[str, typer.Argument(help="Name of the provider, such as sample.")],
    dataset: Dataset,
    symbols: Annotated[str, typer.Option(help="Only these symbols, separated by commas.")] = "",
    start: Start = None,
    end: End = None,
    update: Annotated[
        bool, typer.Option("--update", help="Only from two weeks before the last stored session.")
    ] = False,
) -> None:
    """Bring a provider's bars into a dataset; doing it again changes nothing."""
    request = IngestRequest(
        provider,
        dataset,
        tuple(listed(symbols)) or None,
        parse_session(start, "start"),
        parse_session(end, "end"),
        update=update,
    )
    show([open_workspace().ingest_with(request, say).summary()])


@app.command()
def fundamentals(
    file: Annotated[Path, typer.Argument(help="CSV file of figures: symbol, metric, period_end, value, …")],
    dataset: Dataset,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out figures of symbols that no instrument bears.")
    ] = False,
) -> None:
    """Bring figures from companies' reports in; doing it again changes nothing, restatements are added."""
    show([open_workspace().ingest_fundamentals(file, dataset, skip_unknown=skip_unknown).summary()])


@app.command()
def rebuild(dataset: Annotated[str, typer.Argument(help="Name of the dataset.")]) -> None:
    """Set a dataset's stored bars aside and write them anew from its provider."""
    workspace = open_workspace()
    provider = workspace.provider_of(dataset)
    receipt = workspace.ingest_with(IngestRequest(provider, dataset, rebuild=True), say)
    verdict = "equal to what was recorded" if receipt.is_restored else "as a new version, for its content differs"
    say(f"{receipt.label} was built anew, {verdict}; the old folder was set aside.")


@app.command("list")
def list_datasets() -> None:
    """List datasets with version, basis, rows, source, licence and biases."""
    show(records(open_workspace().datasets().reset_index()))


@app.command()
def instruments(query: Annotated[str, typer.Argument(help="Part of a name or symbol.")] = "") -> None:
    """Find instruments."""
    show(records(open_workspace().instruments(query).reset_index()))


@app.command()
def panel(
    dataset: Dataset,
    symbols: Symbols,
    start: Start = None,
    end: End = None,
    adjust: Annotated[str, typer.Option(help="none, splits or all.")] = "none",
    as_of: AsOf = None,
    to: Annotated[Path | None, typer.Option(help="Write the closes to this CSV file.")] = None,
) -> None:
    """Show a price panel, or write its closes to a file."""
    workspace = open_workspace().as_of(as_of)
    found = workspace.panel(listed(symbols), None, start, end, dataset=dataset, adjust=adjust)
    if to is not None:
        found.close.to_csv(to)
    sessions, count = found.shape
    row = {
        "panel": found.id,
        "dataset": found.source.label,
        "basis": found.basis,
        "sessions": sessions,
        "instruments": count,
        "first": found.first_session,
        "last": found.last_session,
        "actions": len(found.actions),
    }
    show([row])


for command in upkeep.COMMANDS:
    app.command()(command)
