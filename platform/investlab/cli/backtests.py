"""Commands about backtests: run, sweep, audit, those about their records, trace, reproduce."""

from pathlib import Path
from typing import Annotated

import typer

from investlab.backtest.costs import Costs
from investlab.backtest.grid import build_strategy
from investlab.backtest.strategies import Strategy
from investlab.cli import holdouts
from investlab.cli.holdouts import OpenHoldout, workspace_for
from investlab.cli.out_of_sample import walk_forward
from investlab.cli.output import STYLE, output, say, show
from investlab.cli.records import app as run_records
from investlab.cli.values import AsOf, Dataset, End, Start, Symbols, grid, listed, parameters
from investlab.core.config import load_settings
from investlab.services.strategies import find_strategy
from investlab.services.workspace import open_workspace

app = typer.Typer(help="Backtests, sweeps and their records.", no_args_is_help=True, **STYLE)
app.add_typer(run_records)
trace = typer.Typer(**STYLE)
reproduce = typer.Typer(**STYLE)
app.add_typer(holdouts.app, name="holdout")
app.command("walk-forward")(walk_forward)

StrategyName = Annotated[str, typer.Option(help="Extension name of the strategy, such as sma_cross.")]
Timing = Annotated[str, typer.Option("--execution", help="next_open, next_close or same_close.")]
Commission = Annotated[float, typer.Option(help="Commission in basis points of the value traded.")]
Slippage = Annotated[float, typer.Option(help="Slippage in basis points of the price.")]
Cash = Annotated[float, typer.Option("--cash", help="Initial cash.")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")]
Name = Annotated[str | None, typer.Option(help="What to call the run.")]
Tags = Annotated[list[str] | None, typer.Option(help="A tag of the run; repeat for more.")]
Note = Annotated[str | None, typer.Option(help="A remark kept with the run.")]
ExecutorName = Annotated[str, typer.Option(help="auto, serial, threads or ray.")]


@app.command()
def run(
    strategy: StrategyName,
    dataset: Dataset,
    symbols: Symbols,
    param: Annotated[list[str] | None, typer.Option(help="A parameter as name=value; repeat for more.")] = None,
    start: Start = None,
    end: End = None,
    timing: Timing = "next_open",
    commission_bps: Commission = 0.0,
    slippage_bps: Slippage = 0.0,
    cash: Cash = 100_000.0,
    as_of: AsOf = None,
    open_holdout: OpenHoldout = None,
    name: Name = None,
    tag: Tags = None,
    note: Note = None,
    report: Report = None,
) -> None:
    """Run one backtest and record it; the same backtest again comes from its record."""
    built = build_strategy(_strategy(strategy), parameters(param or ()))
    workspace = workspace_for(dataset, as_of, open_holdout)
    panel = workspace.panel(listed(symbols), None, start, end, dataset=dataset)
    costs = Costs(commission_bps, slippage_bps)
    result = workspace.backtest(
        built, panel, costs=costs, execution=timing, initial_cash=cash, name=name, tags=tag, note=note
    )
    show([{"run": result.run_id, "strategy": str(result.strategy), **result.metrics}])
    if report is not None:
        say(f"Report: {result.report(report)}")


@app.command()
def sweep(
    strategy: StrategyName,
    dataset: Dataset,
    symbols: Symbols,
    values: Annotated[list[str], typer.Option("--grid", help="name=5:50, name=5:50:5 or name=5,10,20; repeatable.")],
    start: Start = None,
    end: End = None,
    timing: Timing = "next_open",
    commission_bps: Commission = 0.0,
    slippage_bps: Slippage = 0.0,
    cash: Cash = 100_000.0,
    as_of: AsOf = None,
    executor: ExecutorName = "auto",
    open_holdout: OpenHoldout = None,
    name: Name = None,
    tag: Tags = None,
    note: Note = None,
    report: Report = None,
) -> None:
    """Try every combination of a grid and count the trials."""
    workspace = workspace_for(dataset, as_of, open_holdout)
    panel = workspace.panel(listed(symbols), None, start, end, dataset=dataset)
    result = workspace.sweep(
        _strategy(strategy),
        grid(values),
        panel,
        costs=Costs(commission_bps, slippage_bps),
        execution=timing,
        initial_cash=cash,
        executor=executor,
        name=name,
        tags=tag,
        note=note,
    )
    best = {name: float(result.best[name]) for name in ("sharpe", "total_return", "max_drawdown")}
    counts = {"trials": result.trials, "trials in all": result.cumulative_trials, "executor": result.executor}
    row = {"run": result.run_id, **result.best_parameters, **best, "deflated sharpe": result.deflated_sharpe, **counts}
    show([row])
    say(result.reason)
    if report is not None:
        say(f"Report: {result.report(report)}")


@app.command()
def audit(
    strategy: StrategyName,
    dataset: Dataset,
    symbols: Symbols,
    param: Annotated[list[str] | None, typer.Option(help="A parameter as name=value; repeat for more.")] = None,
    start: Start = None,
    end: End = None,
    as_of: AsOf = None,
) -> None:
    """Attack the future to see whether a strategy looks ahead; exit code 1 unless it comes out clean."""
    built = build_strategy(_strategy(strategy), parameters(param or ()))
    workspace = open_workspace().as_of(as_of)
    report = workspace.audit_lookahead(built, workspace.panel(listed(symbols), None, start, end, dataset=dataset))
    show([{"strategy": report.strategy, "verdict": report.verdict.value, "attacks": report.attacks}])
    say(report.sentence)
    if not report.is_clean:
        raise typer.Exit(1)


@trace.command()
def trace_record(
    record_id: Annotated[
        str,
        typer.Argument(
            help="A prediction, model version, run, or notebook run; or a label such as us-ranker@2 or us-close@1."
        ),
    ],
) -> None:
    """Print what a number stands on, back to the provider."""
    found = open_workspace().trace(record_id)
    print(found.model_dump_json(indent=2) if output.as_json else found)


@reproduce.command()
def reproduce_run(
    run_id: Annotated[str, typer.Argument(help="Id of a backtest or training run.")], executor: ExecutorName = "auto"
) -> None:
    """Build a run again and say equal to the bit, or what differs."""
    outcome = open_workspace().reproduce(run_id, executor=executor)
    print(outcome.model_dump_json(indent=2) if output.as_json else outcome.sentence)
    if not outcome.is_equal:
        raise typer.Exit(1)


def _strategy(name: str) -> type[Strategy]:
    return find_strategy(load_settings(), name)
