"""Factories of price panels, and hypothesis strategies that draw panels, costs, signals and weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from investlab.backtest.costs import Costs
from investlab.market.actions import ActionTable
from investlab.market.panel import PricePanel, read_only

FIRST_SESSION = "2020-01-01"

Prices = Mapping[str, Sequence[float]]
Action = tuple[int, str, str, float]
"""Session number, symbol, kind, value."""


def session_index(count: int, first: str = FIRST_SESSION) -> pd.DatetimeIndex:
    """Return that many business days."""
    return pd.bdate_range(first, periods=count)


def make_panel(
    close: Prices,
    *,
    open: Prices | None = None,  # noqa: A002
    basis: str = "raw",
    actions: Sequence[Action] = (),
    first: str = FIRST_SESSION,
) -> PricePanel:
    """Return a panel of the prices given by symbol; opens are the closes unless they are given."""
    frame = pd.DataFrame(dict(close), dtype=float)
    frame.index = session_index(len(frame), first)
    opens = frame if open is None else pd.DataFrame(dict(open), dtype=float).set_index(frame.index)
    rows = [(frame.index[session], symbol, kind, value) for session, symbol, kind, value in actions]
    table = pd.DataFrame(rows, columns=["ex_date", "symbol", "kind", "value"]) if rows else None
    return PricePanel.from_frames(close=frame, open=opens, basis=basis, actions=table)


def without_opens(panel: PricePanel) -> PricePanel:
    """Return the panel with closes only."""
    return replace(panel, fields={"close": panel.values("close")}, id="")


def random_panel(
    seed: int, sessions: int = 300, instruments: int = 3, *, missing: float = 0.0, actions: int = 0, basis: str = "raw"
) -> PricePanel:
    """Return a random walk; `missing` is the share of bars left out, `actions` how many splits and dividends."""
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (sessions, instruments)), axis=0))
    opens = close * np.exp(rng.normal(0.0, 0.005, close.shape))
    gone = rng.random(close.shape) < missing
    close, opens = np.where(gone, np.nan, close), np.where(gone, np.nan, opens)
    symbols = [f"S{number}" for number in range(instruments)]
    listed = []
    for session in sorted(rng.choice(np.arange(1, sessions), size=min(actions, sessions - 1), replace=False)):
        kind, value = ("split", 2.0) if rng.random() < 0.5 else ("dividend", 0.5)
        listed.append((int(session), symbols[int(rng.integers(instruments))], kind, value))
    return make_panel(
        dict(zip(symbols, close.T, strict=True)),
        open=dict(zip(symbols, opens.T, strict=True)),
        actions=listed,
        basis=basis,
    )


def until(panel: PricePanel, cut: int) -> PricePanel:
    """Return the panel as it was at the close of session number `cut`."""
    table = panel.actions
    kept = table.session <= cut
    return replace(
        panel,
        sessions=panel.sessions[: cut + 1],
        fields={name: read_only(values[: cut + 1]) for name, values in panel.fields.items()},
        actions=ActionTable(*(array[kept] for _, array in table.arrays())),
        id="",
    )


def with_another_future(panel: PricePanel, cut: int, seed: int = 0) -> PricePanel:
    """Return the panel with all prices and actions after session number `cut` changed."""
    rng = np.random.default_rng(seed)
    fields = {}
    for name, values in panel.fields.items():
        changed = values.copy()
        changed[cut + 1 :] *= rng.uniform(0.3, 3.0, changed[cut + 1 :].shape)
        changed[cut + 1 :][np.isnan(changed[cut + 1 :])] = 7.0
        fields[name] = read_only(changed)
    table = panel.actions
    kept = table.session <= cut
    return replace(panel, fields=fields, actions=ActionTable(*(array[kept] for _, array in table.arrays())), id="")


def examples(count: int) -> settings:
    """Return hypothesis settings for tests whose first example compiles kernels."""
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def panels(draw: st.DrawFn, *, basis: str | None = None, complete: bool = False) -> PricePanel:
    """Draw a small panel: round and odd prices, missing bars, splits and dividends where the basis has them."""
    kind = basis or draw(st.sampled_from(["raw", "split_adjusted", "total_return"]))
    sessions = draw(st.integers(2, 12))
    symbols = ["A", "B", "C"][: draw(st.integers(1, 3))]
    price = st.sampled_from([5.0, 10.0, 20.0]) | st.floats(1.0, 100.0)
    value = price if complete else price | price | price | st.just(float("nan"))
    column = st.lists(value, min_size=sessions, max_size=sessions)
    close = {symbol: draw(column) for symbol in symbols}
    opens = {symbol: draw(column) for symbol in symbols}
    kinds = {"raw": ["split", "dividend"], "split_adjusted": ["dividend"], "total_return": []}[kind]
    actions = []
    if kinds:
        for session, symbol in draw(
            st.lists(st.tuples(st.integers(1, sessions - 1), st.sampled_from(symbols)), max_size=4, unique=True)
        ):
            action = draw(st.sampled_from(kinds))
            values = [2.0, 3.0, 0.1, 1.5] if action == "split" else [0.25, 0.1]
            actions.append((session, symbol, action, draw(st.sampled_from(values))))
    return make_panel(close, open=opens, basis=kind, actions=actions)


def costs() -> st.SearchStrategy[Costs]:
    """Draw free, proportional, fixed and minimum costs."""
    bps = st.sampled_from([0.0, 5.0, 100.0])
    return st.builds(Costs, bps, bps, st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 2.0, 15.0]))


def proportional_costs() -> st.SearchStrategy[Costs]:
    """Draw costs without fixed or minimum parts."""
    bps = st.sampled_from([0.0, 5.0, 100.0])
    return st.builds(Costs, bps, bps)


@st.composite
def signals_for(draw: st.DrawFn, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
    """Draw entries and exits that fit the panel."""
    count = panel.shape[0] * panel.shape[1]
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    entries, exits = (np.array(draw(flags)).reshape(panel.shape) for _ in range(2))
    return entries, exits


@st.composite
def weights_for(draw: st.DrawFn, panel: PricePanel) -> np.ndarray:
    """Draw weights that fit the panel: whole rows missing, zero where an instrument has no price yet."""
    sessions, count = panel.shape
    rows = np.full(panel.shape, np.nan)
    known = np.isfinite(np.where(np.isnan(panel.values("close")), 0.0, 1.0)) & (
        np.cumsum(~np.isnan(panel.values("close")), axis=0) > 0
    )
    for session in range(sessions):
        if draw(st.booleans()):
            parts = np.array([draw(st.sampled_from([0.0, 1.0, 1.0, 2.0, 0.5])) for _ in range(count)])
            share = draw(st.sampled_from([1.0, 1.0, 0.6]))
            parts = np.where(known[session], parts, 0.0)
            rows[session] = parts / parts.sum() * share if parts.sum() > 0 else 0.0
    return rows
