"""Commands about pipelines of notebooks, and the demo."""

from typing import Annotated, cast

import typer

from investlab.cli.output import STYLE, output, say, show
from investlab.cli.serving import addresses
from investlab.cli.values import parameters
from investlab.core.config import ExecutorChoice
from investlab.core.errors import InvalidInput
from investlab.pipelines.demo import DemoSummary, run_demo
from investlab.pipelines.launch import Launch, launch_pipeline, pipeline_catalog, pipeline_runs
from investlab.pipelines.served import Visit, visit
from investlab.schemas.pipelines import PipelineRunInfo
from investlab.services.executors import CHOICES
from investlab.services.processes import Platform, prepare_platform
from investlab.services.workspace import Workspace, open_workspace

app = typer.Typer(help="Pipelines of notebooks.", no_args_is_help=True, **STYLE)
demo = typer.Typer(**STYLE)


@app.command("run")
def run_by_name(
    name: Annotated[str, typer.Argument(help="Name of the pipeline, such as research.")],
    param: Annotated[list[str] | None, typer.Option(help="A parameter as name=value; repeat for more.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Read only what was known by then.")] = None,
    executor: Annotated[str | None, typer.Option(help="auto, serial, threads or ray.")] = None,
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
    """Ingest the sample data, run the research pipeline, serve what came out and print a summary."""
    workspace = open_workspace()
    platform = prepare_platform(workspace.context.settings)  # a taken port is told before any work
    summary = run_demo(workspace, say)
    say("starting gateway and dashboards")
    with platform:
        platform.wait_until_ready()
        champion = summary.versions[0]
        seen = visit(platform, champion.lineage.symbols, champion.lineage.dataset)
        _print_research(workspace, summary)
        _print_served(seen, platform)
        if not once:
            _headline("\nThe page moves until Ctrl-C.")
            platform.watch(say)


def _print_research(workspace: Workspace, summary: DemoSummary) -> None:
    _headline("\nDatasets (real market data out of installed packages; `investlab data list` states their biases)")
    show(summary.dataset_rows())
    _headline("\nStrategies, with 5 bps commission and 5 bps slippage, beside buy-and-hold of the same stocks")
    show(summary.strategy_rows())
    _headline("\nModels, scored out of sample on the same sessions; the champion is served")
    show(summary.model_rows())
    for sentence in summary.sentences():
        say(sentence)
    _headline(f"\nPipeline run {summary.pipeline.run_id} as of {summary.pipeline.as_of:%Y-%m-%d}")
    home = workspace.context.settings.home_path
    steps = summary.pipeline.steps
    show([{"step": s.name, "status": s.status, "report": str(home / (s.html_path or ""))} for s in steps])
    _headline(f"Overview: {_index(workspace, summary.pipeline)}")


def _print_served(seen: Visit, platform: Platform) -> None:
    _headline("\nServed: the replay clock walks through the year after the data that the models know")
    show(seen.rows())
    _headline("\nA prediction, and what it stands on")
    show(seen.envelope_rows())
    _headline(f"Ask where it comes from: investlab trace {seen.response.prediction_id}\n")
    show(addresses(platform))


def _headline(text: str) -> None:
    if not output.as_json:
        print(text, flush=True)


def _index(workspace: Workspace, record: PipelineRunInfo) -> str:
    return str(workspace.context.settings.home_path / "runs" / record.run_id / "index.html")
