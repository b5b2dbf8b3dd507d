"""The command `investlab backtest walk-forward`."""

from typing import Annotated

import typer

from investlab.backtest.costs import Costs
from investlab.cli.holdouts import OpenHoldout, workspace_for
from investlab.cli.output import records, say, show
from investlab.cli.values import AsOf, Dataset, End, Start, Symbols, grid, listed
from investlab.core.config import load_settings
from investlab.services.strategies import find_strategy


def walk_forward(
    strategy: Annotated[str, typer.Option(help="Extension name of the strategy, such as sma_cross.")],
    dataset: Dataset,
    symbols: Symbols,
    values: Annotated[list[str], typer.Option("--grid", help="name=5:50, name=5:50:5 or name=5,10,20; repeatable.")],
    train: Annotated[int, typer.Option(help="Sessions to choose parameters on.")],
    test: Annotated[int, typer.Option(help="Sessions to trade them on.")],
    anchored: Annotated[bool, typer.Option("--anchored", help="Train from the first session on.")] = False,
    purge: Annotated[int, typer.Option(help="Sessions left out between training and test.")] = 0,
    embargo: Annotated[int, typer.Option(help="More sessions left out there.")] = 0,
    criterion: Annotated[str, typer.Option(help="sharpe, sortino, calmar or total_return.")] = "sharpe",
    start: Start = None,
    end: End = None,
    timing: Annotated[str, typer.Option("--execution", help="next_open, next_close or same_close.")] = "next_open",
    commission_bps: Annotated[float, typer.Option(help="Commission in basis points of the value traded.")] = 0.0,
    slippage_bps: Annotated[float, typer.Option(help="Slippage in basis points of the price.")] = 0.0,
    as_of: AsOf = None,
    open_holdout: OpenHoldout = None,
) -> None:
    """Choose parameters on the past alone, window after window, and count the trials."""
    workspace = workspace_for(dataset, as_of, open_holdout)
    panel = workspace.panel(listed(symbols), None, start, end, dataset=dataset)
    result = workspace.walk_forward(
        find_strategy(load_settings(), strategy),
        grid(values),
        panel,
        train=train,
        test=test,
        anchored=anchored,
        purge=purge,
        embargo=embargo,
        criterion=criterion,
        costs=Costs(commission_bps, slippage_bps),
        execution=timing,
    )
    shown = ["test_start", "test_end", *result.parameters, "train_sharpe", "test_sharpe", "test_total_return"]
    show(records(result.windows[shown].reset_index()))
    say(result.verdict.sentence)
    for note in result.notes:
        if "holdout" in note:
            say(note)
    say(f"Run {result.run_id}, {result.cumulative_trials} trials in all.")
