"""Commands about pipelines of notebooks, and the demo."""

from typing import Annotated, cast

import typer

from investlab.cli.output import STYLE, output, say, show
from investlab.cli.values import parameters
from investlab.core.config import ExecutorChoice
from investlab.core.errors import InvalidInput
from investlab.pipelines.demo import run_demo
from investlab.pipelines.launch import Launch, launch_pipeline, pipeline_catalog, pipeline_runs
from investlab.schemas.pipelines import PipelineRunInfo
from investlab.services.executors import CHOICES
from investlab.services.workspace import Workspace, open_workspace

app = typer.Typer(help="Pipelines of notebooks.", no_args_is_help=True, **STYLE)
demo = typer.Typer(**STYLE)


@app.command("run")
def run_by_name(
    name: Annotated[str, typer.Argument(help="Name of the pipeline, such as research.")],
    param: Annotated[list[str] | None, typer.Option(help="A parameter as name=value; repeat for more.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Read only what was known by then.")] = None,
    executor: Annotated[str | None, typer.Option(help="auto, serial or ray.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run every step, also unchanged ones.")] = False,
) -> None:
    """Run a pipeline; unchanged steps are skipped, an interrupted run is resumed."""
    if executor is not None and executor not in CHOICES:
        raise InvalidInput(f"Unknown executor {executor!r}.", remedy=f"Use one of {', '.join(CHOICES)}.")
    workspace = open_workspace()
    launch = Launch(name, parameters(param or ()), as_of, cast("ExecutorChoice | None", executor), force)
    record = launch_pipeline(workspace, launch, say)
    show([{"step": step.name, "status": step.status, "id": step.step_id} for step in record.steps])
    say(f"Reports: {_index(workspace, record)}")


@app.command("list")
def list_pipelines() -> None:
    """List the pipelines that can be run."""
    rows = [
        {"pipeline": name, "title": found.spec.title, "steps": ", ".join(step.name for step in found.steps)}
        for name, found in pipeline_catalog(open_workspace()).items()
    ]
    show(rows)


@app.command("runs")
def list_runs() -> None:
    """List pipeline runs, newest first."""
    rows = [
        {
            "run": run.run_id,
            "pipeline": run.pipeline,
            "status": run.status,
            "steps": ", ".join(f"{step.name} {step.status}" for step in run.steps),
            "started": f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC",
            "error": run.error,
        }
        for run in pipeline_runs(open_workspace())
    ]
    show(rows)


@demo.command()
def run_the_demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the summary, leaving no process.")] = False,
) -> None:
    """Ingest the sample data, run the research pipeline and print a summary."""
    workspace = open_workspace()
    summary = run_demo(workspace, say)
    if not output.as_json:
        print("\nDatasets (real market data out of installed packages; `investlab data list` states their biases)")
    show(summary.dataset_rows())
    if not output.as_json:
        print("\nStrategies, with 5 bps commission and 5 bps slippage, beside buy-and-hold of the same stocks")
    show(summary.strategy_rows())
    for sentence in summary.sentences():
        say(sentence)
    if not output.as_json:
        print(f"\nPipeline run {summary.pipeline.run_id} as of {summary.pipeline.as_of:%Y-%m-%d}")
    home = workspace.context.settings.home_path
    show(
        [
            {"step": s.name, "status": s.status, "report": str(home / (s.html_path or ""))}
            for s in summary.pipeline.steps
        ]
    )
    print(f"\nOpen {_index(workspace, summary.pipeline)}")
    print(f"Ask where a number comes from: investlab trace {summary.sweep_run.run_id}")


def _index(workspace: Workspace, record: PipelineRunInfo) -> str:
    return str(workspace.context.settings.home_path / "runs" / record.run_id / "index.html")
