"""What a strategy or a plain function wants of a panel, laid out so that two runs can be compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from investlab.backtest.orders import SIGNALS, signal_arrays
from investlab.backtest.strategies import SignalStrategy, Strategy, WeightStrategy
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Decisions that differ by no more are the same: sums over arrays of other lengths may round differently."""

DecisionRule = Strategy | Callable[[PricePanel], Any]
"""A strategy, or a function from a panel to weights, to (entries, exits), or to these and those of shorts."""

Decisions = Mapping[str, np.ndarray]
"""`weights`, or `entries` and `exits` and those of shorts, each sessions × instruments."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two runs decide differently."""

    row: int
    column: int
    decision: str
    value: float
    other: float


def decide(rule: DecisionRule, panel: PricePanel) -> Decisions:
    """Return the decisions of a rule on a panel.

    Raises:
        InvalidInput: The rule is neither strategy nor function, or what it gives does not fit the panel.
    """
    if isinstance(rule, type) or not (isinstance(rule, SignalStrategy | WeightStrategy) or callable(rule)):
        raise InvalidInput(
            f"{rule!r} makes no decisions.", remedy="Give a strategy object or a function from a panel to weights."
        )
    given = _call(rule, panel)
    if isinstance(given, tuple) and len(given) in (2, len(SIGNALS)):
        return dict(zip(SIGNALS, signal_arrays(panel, given), strict=False))
    return {"weights": _weights(panel, given)}


def first_difference(one: Decisions, two: Decisions, rows: int) -> Difference | None:
    """Return the earliest of the first `rows` sessions at which two runs decide differently, None if there is none."""
    found: Difference | None = None
    for name, values in one.items():
        other = two[name] if name in two else np.full(values.shape, np.nan)
        changed = differing(values[:rows], other[:rows])
        places = np.flatnonzero(changed.any(axis=1))
        if len(places) and (found is None or places[0] < found.row):
            row = int(places[0])
            column = int(np.flatnonzero(changed[row])[0])
            found = Difference(row, column, name, float(values[row, column]), float(other[row, column]))
    return found


def differing(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return where two arrays of decisions differ by more than rounding; two NaN are the same."""
    changed: np.ndarray = ~np.isclose(
        one.astype(np.float64), two.astype(np.float64), rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True
    )
    return changed


def changed_rows(one: Decisions, two: Decisions) -> np.ndarray:
    """Return for each session whether two runs over the same sessions decide differently there."""
    parts = [differing(values, two[name]).any(axis=1) for name, values in one.items() if name in two]
    rows: np.ndarray = np.any(parts, axis=0)
    return rows


def _call(rule: DecisionRule, panel: PricePanel) -> Any:
    if isinstance(rule, SignalStrategy):
        return rule.signals(panel)
    return rule.weights(panel) if isinstance(rule, WeightStrategy) else rule(panel)


def _weights(panel: PricePanel, given: Any) -> np.ndarray:
    if isinstance(given, pd.DataFrame):
        given = _laid_out(panel, given)
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput("The weights hold values that are no numbers.", remedy="Convert them first.") from error
    if values.shape != panel.shape:
        raise InvalidInput(
            f"The weights have shape {values.shape}, the panel {panel.shape}.",
            remedy="Give one row for each session and one column for each instrument, or a frame.",
        )
    return values


def _laid_out(panel: PricePanel, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of rebalance sessions on all sessions: a missing row holds, a missing symbol has weight 0."""
    if list(frame.columns) == panel.symbols and np.array_equal(frame.index.values, panel.index.values):
        return frame
    strangers = frame.index.difference(panel.index)
    if len(strangers):
        raise InvalidInput(
            f"The weights have a row for {strangers[0]}, which is no session of the panel.",
            remedy="Use sessions of panel.index only.",
        )
    unknown = frame.columns.difference(pd.Index(panel.symbols))
    if len(unknown):
        raise InvalidInput(f"The weights have a column {unknown[0]!r}.", remedy="Use symbols of the panel only.")
    wide = frame.reindex(columns=panel.symbols)
    missing = [symbol for symbol in panel.symbols if symbol not in frame.columns]
    wide.loc[frame.notna().any(axis=1), missing] = 0.0
    return wide.reindex(panel.index)
