"""Commands about recorded backtests and sweeps: list, show, compare, report, label, archive."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from investlab.cli.output import STYLE, output, records, say, show
from investlab.ml.trained import TrainedModel
from investlab.services.run_labels import find_run
from investlab.services.run_listing import COLUMNS, described, run_row
from investlab.services.run_queries import HELP, parse_query
from investlab.services.workspace import Workspace, open_workspace

app = typer.Typer(**STYLE)

RunId = Annotated[str, typer.Argument(help="Id of a run, or a unique beginning of it.")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")]
_SHOWN = (
    *("run", "kind", "name", "strategy", "dataset", "start", "end"),
    *("total_return", "sharpe", "max_drawdown", "tags"),
)
"""What a table for people has room for; JSON has every column."""


@app.command("list")
def list_runs(
    query: Annotated[list[str] | None, typer.Argument(help=HELP)] = None,
    limit: Annotated[int, typer.Option(help="Most runs to list.")] = 50,
) -> None:
    """List recorded runs, newest first; the archived only when the query says archived:yes or archived:all."""
    frame = open_workspace().runs(parse_query(" ".join(query or ()), limit=limit)).reset_index()
    show(records(frame if output.as_json else frame[list(_SHOWN)]))


@app.command("show")
def show_run(run_id: RunId, report: Report = None) -> None:
    """Show a recorded run: what it is, its metrics and what it stands on; or write its report."""
    workspace = open_workspace()
    result = workspace.load(run_id)
    if isinstance(result, TrainedModel):
        print(repr(result))
    else:
        show([_told(workspace, result.run_id or run_id)])
    if report is not None:
        say(f"Report: {result.report(report)}")


@app.command()
def compare(
    run_ids: Annotated[list[str], typer.Argument(help="Ids of two to eight runs, or unique beginnings.")],
    report: Report = None,
) -> None:
    """Compare runs: metrics, what differs, the correlation of returns, and whether comparing is fair."""
    found = open_workspace().compare(run_ids)
    if output.as_json:
        told = {
            "is_fair": found.is_fair,
            "sentence": found.sentence,
            "cautions": list(found.cautions),
            "common_sessions": found.common_sessions,
            "metrics": _document(found.metrics),
            "differences": _document(found.differences),
            "correlation": _document(found.correlation),
        }
        print(json.dumps(told, indent=2, default=str, allow_nan=False))
    else:
        for frame in (found.metrics, found.differences, found.correlation.rename_axis("correlation")):
            if len(frame):
                show(records(frame.reset_index()))
        say("\n".join((found.sentence, *found.cautions)))
    if report is not None:
        say(f"Report: {found.report(report)}")


@app.command()
def report(
    run_id: RunId, to: Annotated[Path | None, typer.Option(help="HTML file; default is <run id>.html here.")] = None
) -> None:
    """Write a run's report as one self-contained HTML file."""
    workspace = open_workspace()
    result = workspace.load(run_id)
    whole = run_id if isinstance(result, TrainedModel) else result.run_id or run_id
    path = result.report(to or Path(f"{whole}.html"))
    show([{"run": whole, "report": str(path), "bytes": path.stat().st_size}])


@app.command()
def label(
    run_id: RunId,
    name: Annotated[str | None, typer.Option(help="What to call the run; empty takes the name away.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; repeat for more. They replace those there are.")] = None,
    note: Annotated[str | None, typer.Option(help="A remark; empty takes it away.")] = None,
) -> None:
    """Set a run's name, tags and note; what is not given stays."""
    workspace = open_workspace()
    workspace.label(run_id, name=name, tags=tag, note=note)
    show([_told(workspace, run_id)])


@app.command()
def archive(run_id: RunId, undo: Annotated[bool, typer.Option("--undo", help="List the run again.")] = False) -> None:
    """Leave a run out of listings; it stays loadable and its trials stay counted."""
    workspace = open_workspace()
    workspace.archive(run_id, archived=not undo)
    show([_told(workspace, run_id)])


def _told(workspace: Workspace, run_id: str) -> dict[str, Any]:
    """Return everything that is recorded of a run, as one row; undefined metrics are None."""
    run = find_run(workspace.context, run_id)
    metrics = {name: value if math.isfinite(value) else None for name, value in run.metrics.items()}
    row = {**run_row(run), "strategy": described(run), "note": run.note, "error": run.error, **metrics}
    stands = {"executor": run.executor, "panel": run.panel_id, "code": run.code_identity, "result": run.result_hash}
    return {name: row.get(name) for name in dict.fromkeys((*COLUMNS, *row))} | stands


def _document(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return a frame as label → name → value, with None where a value is undefined."""
    whole = frame.astype(object).where(frame.notna(), None)
    return {str(column): {str(name): value for name, value in whole[column].items()} for column in whole}
