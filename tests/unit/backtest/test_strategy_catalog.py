"""What the platform declares, documents and takes from the command line about its strategies is the same."""

import re
import tomllib
from dataclasses import MISSING, fields
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from investlab.backtest.grid import build_strategy
from investlab.backtest.strategies import describe_strategy
from investlab.cli.values import parameters
from investlab.core.errors import InvalidInput, UnknownParameter
from investlab.core.extensions import STRATEGIES

ROOT = Path(__file__).resolve().parents[3]
DECLARED: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][STRATEGIES]
TABLES = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
GIVEN = {
    "bollinger_reversion": ["window=15", "deviations=2.5"],
    "buy_and_hold": [],
    "constant_weights": ['mix={"AAPL": 0.6, "IBM": 0.4}', "rebalance=quarter"],
    "donchian_breakout": ["entry_window=55", "exit_window=20"],
    "ema_cross": ["fast=5", "slow=20"],
    "equal_weight": ["rebalance=year"],
    "inverse_volatility": ["lookback_sessions=126"],
    "low_volatility": ["k=3", "lookback_sessions=126"],
    "macd": ["fast=6", "slow=19", "signal=5"],
    "mean_variance": ["lookback_sessions=126", "risk_aversion=10"],
    "minimum_variance": ["lookback_sessions=126"],
    "monthly_momentum": ["k=3", "lookback_sessions=126", "skip_sessions=5"],
    "risk_parity": ["lookback_sessions=126"],
    "rsi_reversion": ["window=7", "lower=20", "upper=80"],
    "sma_cross": ["fast=5", "slow=20"],
    "time_series_momentum": ["lookback_sessions=126"],
}
SLOW = {"mean_variance", "minimum_variance", "risk_parity"}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in sorted(DECLARED)]


def load(name: str) -> type[Any]:
    """Return the class that the project declares under this name."""
    loaded: type[Any] = EntryPoint(name, DECLARED[name], STRATEGIES).load()
    return loaded


def test_every_declared_strategy_is_tried_here() -> None:
    assert sorted(GIVEN) == sorted(DECLARED)


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_is_declared_under_its_own_name(name: str) -> None:
    assert load(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_can_be_given_on_the_command_line(name: str) -> None:
    kind, given = load(name), GIVEN[name]
    assert [text.partition("=")[0] for text in given] == [field.name for field in fields(kind)]
    built = describe_strategy(build_strategy(kind, parameters(given)))
    for field in fields(kind):
        assert built.parameters[field.name] != field.default


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_parameter_is_refused_by_name(name: str) -> None:
    with pytest.raises((UnknownParameter, InvalidInput), match="windoww"):
        build_strategy(load(name), parameters(["windoww=3"]))


@pytest.mark.parametrize("name", NAMES)
def test_the_documents_table_says_what_the_class_does(name: str) -> None:
    kind = load(name)
    (row,) = re.findall(rf"^\| `{name}` \| .*$", TABLES, re.MULTILINE)
    _, family, given, rule, _ = (cell.strip() for cell in row.strip("|").split(" | "))
    assert family == f"`{kind.family}`"
    assert len(rule) > 10
    documented = {text: value or None for text, value in re.findall(r"`(\w+)(?:=([^`]+))?`", given)}
    defaults = {field.name: None if field.default is MISSING else shown(field.default) for field in fields(kind)}
    assert documented == defaults


def shown(value: object) -> str:
    """Return a default as the table writes it."""
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
