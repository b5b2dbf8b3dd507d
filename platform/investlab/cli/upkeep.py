"""Commands on a dataset's stored bars: versions, quality, verify, pin, compact, vacuum, restore, export."""

from pathlib import Path
from typing import Annotated

import typer

from investlab.cli.output import records, say, show
from investlab.cli.values import AsOf
from investlab.core.clock import parse_as_of
from investlab.services import maintenance
from investlab.services.workspace import open_workspace

Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
Number = Annotated[int | None, typer.Option("--version", help="Number of the version; the latest unless given.")]


def versions(dataset: Name) -> None:
    """List a dataset's versions, and what holds each against a vacuum."""
    found = maintenance.list_versions(open_workspace().context, dataset)
    show([line.model_dump(mode="json") for line in found])


def quality(
    dataset: Name,
    run: Annotated[str | None, typer.Option(help="Id of the ingest run; the latest unless given.")] = None,
    chart: Annotated[Path | None, typer.Option(help="Write the report as a page to this file.")] = None,
) -> None:
    """Show what the checks found in an ingest: findings, and the bars kept in quarantine."""
    report = open_workspace().quality(dataset, run)
    show(records(report.findings))
    if report.quarantined:
        say(f"{report.quarantined:,} bars are in quarantine; lab.quarantine({dataset!r}) shows them.")
    if chart is not None:
        chart.write_text(report.to_html(), encoding="utf-8")
        say(f"The chart is in {chart}.")


def verify(
    deep: Annotated[bool, typer.Option("--deep", help="Read every data file and compare its hash.")] = False,
) -> None:
    """Check the stored bars of every dataset, and the cached panels against the hashes that are kept beside them."""
    workspace = open_workspace()
    checked = workspace.verify(deep=deep)
    cached = workspace.context.panels.verify()
    show([{"dataset": name, "commits": count, "state": "whole"} for name, count in checked.items()])
    say(f"{cached:,} cached arrays of panels have their hash.")


def pin(
    dataset: Name,
    version: Number = None,
    label: Annotated[str, typer.Option(help="Why it is held, such as paper-2024.")] = "held",
    release: Annotated[bool, typer.Option("--release", help="Let the version go instead.")] = False,
) -> None:
    """Hold a dataset version, so that no vacuum takes its bars away."""
    context = open_workspace().context
    if release:
        if version is None:
            raise typer.BadParameter("name the version to release", param_hint="--version")
        maintenance.unpin(context, dataset, version, label=label)
        say(f"{dataset}@{version} is no longer held as {label!r}.")
        return
    held = maintenance.pin(context, dataset, version, label=label)
    say(f"{held.label} is held as {label!r}.")


def compact(dataset: Name) -> None:
    """Write a dataset's bars into fewer, ordered files; no value and no earlier version changes."""
    show([maintenance.compact(open_workspace().context, dataset).model_dump(mode="json")])


def vacuum(
    dataset: Name,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove data files that no held version needs; `versions` shows which are held."""
    receipt = maintenance.vacuum(open_workspace().context, dataset, dry_run=dry_run)
    show([receipt.model_dump(mode="json") | {"kept": ", ".join(receipt.kept)}])


def restore(
    dataset: Name, version: Annotated[int, typer.Argument(help="Number of the version to go back to.")]
) -> None:
    """Make an earlier version the latest again, as a new version; nothing is deleted."""
    restored = maintenance.restore(open_workspace().context, dataset, version)
    say(f"{restored.label} has the content of {dataset}@{version}.")


def export(
    dataset: Name,
    to: Annotated[Path, typer.Argument(help="File to write; its ending .parquet or .csv says the format.")],
    version: Number = None,
    as_of: AsOf = None,
) -> None:
    """Write a dataset's bars to a file, corrected by what was known at a time."""
    request = maintenance.ExportRequest(dataset, to, version, parse_as_of(as_of))
    show([maintenance.export(open_workspace().context, request).model_dump(mode="json")])


COMMANDS = (versions, quality, verify, pin, compact, vacuum, restore, export)
