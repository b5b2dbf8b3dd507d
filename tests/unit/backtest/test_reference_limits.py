"""Target weights within limits agree with a slow, obvious backtest, and keep the promises that hold for all of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_weights
from investlab.backtest.limits import Limits
from investlab.backtest.rates import Rates
from investlab.backtest.result import BacktestResult
from investlab.market.delistings import DelistingTable
from investlab.market.panel import PricePanel, read_only
from tests.support.panels import costs, examples, make_panel, panels, random_panel, until, with_another_future
from tests.support.reference_limits import Path, SlowWeights

EXECUTIONS = st.sampled_from(["next_open", "next_close", "same_close"])


def with_volume(panel: PricePanel, seed: int = 0) -> PricePanel:
    """Return the panel with volumes of 0 to 40 shares, a few of them missing."""
    rng = np.random.default_rng(seed)
    volume = np.where(rng.random(panel.shape) < 0.1, np.nan, np.round(rng.uniform(0, 40, panel.shape)))
    return replace(panel, fields={**panel.fields, "volume": read_only(volume)}, id="")


def with_delistings(panel: PricePanel, rows: list[tuple[int, int, float]]) -> PricePanel:
    """Return the panel with ends of listings (session, column, return), and no prices from then on."""
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for session, column, _ in rows:
        for values in fields.values():
            values[session:, column] = np.nan
    session, column, returns = (np.array(part) for part in zip(*sorted(rows), strict=True))
    table = DelistingTable(session.astype(np.int64), column.astype(np.int64), returns.astype(np.float64))
    return replace(panel, fields={name: read_only(v) for name, v in fields.items()}, delistings=table, id="")


@st.composite
def traded_panels(draw: st.DrawFn) -> PricePanel:
    """Draw a panel with volume where the basis has shares, and perhaps one delisting."""
    panel = draw(panels())
    if draw(st.booleans()):
        session = draw(st.integers(1, panel.shape[0] - 1))
        column = draw(st.integers(0, panel.shape[1] - 1))
        panel = with_delistings(panel, [(session, column, draw(st.sampled_from([-1.0, -0.3, 0.1, float("nan")])))])
    return with_volume(panel, draw(st.integers(0, 99)))


@st.composite
def limits_for(draw: st.DrawFn, panel: PricePanel) -> Limits:
    """Draw limits; without a gross cap only weights whose sizes sum to at most 1 will do."""
    part = st.none() if panel.basis == "total_return" else st.sampled_from([None, 0.1, 1.0])
    return Limits(
        gross=draw(st.sampled_from([None, 0.5, 1.0, 2.0])),
        net=draw(st.sampled_from([None, 0.0, 0.4])),
        weight=draw(st.sampled_from([None, 0.3])),
        short=draw(st.booleans()),
        participation=draw(part),
        band=draw(st.sampled_from([0.0, 0.0, 0.05])),
    )


@st.composite
def signed_weights(draw: st.DrawFn, panel: PricePanel, limits: Limits) -> np.ndarray:
    """Draw weights that fit panel and limits."""
    known = np.cumsum(~np.isnan(panel.values("close")), axis=0) > 0
    rows = np.full(panel.shape, np.nan)
    choices = [0.0, 0.5, 1.0, 0.3] + ([-0.5, -1.0] if limits.short else [])
    for session in range(panel.shape[0]):
        if draw(st.booleans()):
            row = np.array([draw(st.sampled_from(choices)) for _ in range(panel.shape[1])]) * known[session]
            size = np.abs(row).sum()
            rows[session] = row / size if limits.gross is None and size > 1 else row
    return rows


@st.composite
def cases(draw: st.DrawFn) -> tuple[PricePanel, np.ndarray, dict[str, Any]]:
    """Draw a panel, weights and terms."""
    panel = draw(traded_panels())
    limits = draw(limits_for(panel))
    rates = Rates(
        draw(st.sampled_from([0.0, 0.05, -0.01])), draw(st.sampled_from([0.0, 0.1])), draw(st.sampled_from([0.0, 0.3]))
    )
    terms = {
        "costs": draw(costs()),
        "execution": draw(EXECUTIONS),
        "initial_cash": draw(st.sampled_from([100.0, 10_000.0])),
        "whole_shares": panel.basis == "raw" and draw(st.booleans()),
        "limits": limits,
        "rates": rates,
    }
    return panel, draw(signed_weights(panel, limits)), terms


def assert_same(result: BacktestResult, expected: Path, tolerance: float = 1e-10) -> None:
    size = max(1.0, float(np.abs(expected.nav).max()))
    np.testing.assert_allclose(result.nav, expected.nav, rtol=tolerance, atol=tolerance * size)
    np.testing.assert_allclose(result.cash, expected.cash, rtol=tolerance, atol=tolerance * size)
    np.testing.assert_allclose(result.positions, expected.quantities, rtol=tolerance, atol=tolerance * size)
    if result.carry is not None:
        accrued = result.carry.sum(axis=1)
        np.testing.assert_allclose(accrued, expected.accrued, rtol=tolerance, atol=tolerance * size)
    fills, index = result.fills, result.nav.index
    found = np.column_stack(
        [
            index.get_indexer(fills["session"]),
            result.positions.columns.get_indexer(fills["symbol"]),
            index.get_indexer(fills["decided"]),
            np.where(fills["side"] == "buy", 1, -1) * fills["quantity"],
            fills["reference_price"],
            fills["fill_price"],
            fills["commission"],
        ]
    )
    assert fills["reason"].tolist() == [fill[7] for fill in expected.fills]
    numbers = np.array([fill[:7] for fill in expected.fills]).reshape(-1, 7)
    np.testing.assert_allclose(found, numbers, rtol=tolerance, atol=tolerance * size)


@pytest.mark.slow
@given(cases())
@examples(150)
def test_weights_within_limits_agree_with_the_obvious_backtest(case: tuple[PricePanel, np.ndarray, Any]) -> None:
    panel, weights, terms = case
    assert_same(simulate_weights(panel, weights, **terms), SlowWeights(panel, weights, **terms).run())


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["next_open", "next_close", "same_close"])
@pytest.mark.parametrize("seed", range(4))
def test_long_histories_agree_with_the_obvious_backtest_to_1e_12(seed: int, execution: str) -> None:
    panel = with_volume(random_panel(seed, sessions=90, instruments=5, missing=0.03, actions=8), seed)
    panel = with_delistings(panel, [(40 + seed, seed % 5, -0.4), (60, (seed + 2) % 5, 0.2)])
    rng = np.random.default_rng(seed)
    known = np.cumsum(~np.isnan(panel.values("close")), axis=0) > 0
    weights = rng.normal(0, 0.4, panel.shape) * known
    weights[rng.random(len(weights)) < 0.6] = np.nan
    terms = {
        "costs": Costs(5, 3, 0.1, 0.2),
        "execution": execution,
        "initial_cash": 5_000.0,
        "whole_shares": seed % 2 == 1,
        "limits": Limits(gross=1.6, net=0.8, weight=0.5, short=True, participation=0.5, band=0.01),
        "rates": Rates(0.03, 0.06, 0.1),
    }
    result = simulate_weights(panel, weights, **terms)
    assert {"target", "delisting"} <= set(result.fills["reason"])
    assert_same(result, SlowWeights(panel, weights, **terms).run(), 1e-12)


@pytest.mark.slow
@given(cases())
@examples(80)
def test_cash_and_positions_are_the_nav_and_flows_explain_the_cash(case: tuple[PricePanel, np.ndarray, Any]) -> None:
    panel, weights, terms = case
    result = simulate_weights(panel, weights, **terms)
    size = max(1.0, float(result.nav.abs().max()))
    np.testing.assert_allclose(result.cash + result.values.sum(axis=1), result.nav, rtol=1e-10, atol=1e-10 * size)
    fills = result.fills
    flow = (np.where(fills["side"] == "buy", -1.0, 1.0) * fills["value"] - fills["commission"]).groupby(
        fills["session"]
    )
    moved = flow.sum().reindex(result.nav.index, fill_value=0.0) + result.income
    if result.carry is not None:
        moved += result.carry.sum(axis=1)
    np.testing.assert_allclose(result.initial_cash + moved.cumsum(), result.cash, rtol=1e-9, atol=1e-8 * size)


@pytest.mark.slow
@given(cases(), st.data())
@examples(60)
def test_another_future_changes_nothing_past(case: tuple[PricePanel, np.ndarray, Any], data: st.DataObject) -> None:
    panel, weights, terms = case
    panel = replace(panel, delistings=DelistingTable.empty(), id="")
    cut = data.draw(st.integers(0, panel.shape[0] - 1))
    rows = np.where(np.isnan(weights), np.nan, weights)
    rows[cut + 1 :] = np.nan
    other = with_another_future(panel, cut)
    one, two = (simulate_weights(each, rows, **terms) for each in (panel, other))
    assert one.nav.iloc[: cut + 1].tolist() == two.nav.iloc[: cut + 1].tolist()
    assert one.cash.iloc[: cut + 1].tolist() == two.cash.iloc[: cut + 1].tolist()
    known = simulate_weights(until(panel, cut), rows[: cut + 1], **terms)
    assert known.nav.tolist() == one.nav.iloc[: cut + 1].tolist()


@given(st.integers(0, 10_000), st.sampled_from([1e2, 1e6]))
@examples(20)
def test_proportional_fractional_results_scale_with_the_cash(seed: int, factor: float) -> None:
    panel = random_panel(seed, sessions=25, instruments=3)
    weights = np.random.default_rng(seed).normal(0, 0.3, panel.shape)
    terms = {"costs": Costs.bps(10, 5), "limits": Limits(gross=1.5, short=True), "rates": Rates(0.02, 0.05, 0.01)}
    one = simulate_weights(panel, weights, initial_cash=1_000.0, **terms)
    many = simulate_weights(panel, weights, initial_cash=1_000.0 * factor, **terms)
    np.testing.assert_allclose(many.nav, factor * one.nav, rtol=1e-9)


def test_a_participation_limit_does_not_scale_with_the_cash() -> None:
    panel = with_volume(random_panel(1, sessions=25, instruments=3))
    weights = np.full(panel.shape, 0.3)
    limits = Limits(participation=0.1)
    one, ten = (simulate_weights(panel, weights, initial_cash=cash, limits=limits) for cash in (1e3, 1e4))
    assert not np.allclose(ten.nav, 10 * one.nav, rtol=1e-6)


@given(st.integers(0, 10_000))
@examples(20)
def test_higher_proportional_costs_of_one_rebalance_never_raise_the_nav(seed: int) -> None:
    """Short positions and weights that leave cash: the same quantities fill, so only the costs differ."""
    panel = random_panel(seed, sessions=15, instruments=3)
    rows = np.full(panel.shape, np.nan)
    rows[0] = [0.3, -0.3, 0.2]
    limits = Limits(short=True, gross=1.0)
    navs = [
        simulate_weights(panel, rows, costs=Costs.bps(bps, bps), limits=limits, execution="same_close").nav.to_numpy()
        for bps in (0, 10, 50)
    ]
    assert (navs[0] >= navs[1]).all()
    assert (navs[1] >= navs[2]).all()


def test_higher_costs_may_raise_the_nav_with_a_band() -> None:
    """Free of costs A weighs 550 / 1050, in its band; with 1 % it is 550 / 1040.1, so A is cut before it halves."""
    panel = make_panel({"A": [10, 11, 5.5], "B": [10, 10, 10]})
    rows = np.array([[0.5, 0.5], [0.5, 0.5], [np.nan, np.nan]])
    terms = {"execution": "same_close", "initial_cash": 1_000.0, "limits": Limits(band=0.0239)}
    free, dear = (simulate_weights(panel, rows, costs=Costs.bps(bps), **terms).nav.iloc[-1] for bps in (0, 100))
    assert free == pytest.approx(775.0)
    assert dear > free


def test_higher_costs_may_raise_the_nav_of_whole_shares() -> None:
    """With 1 % only 9 of 10 shares can be bought before the price halves: 100 − 90.9 + 45 is more than 50."""
    panel = make_panel({"A": [10, 5]})
    rows = np.array([[1.0], [np.nan]])
    terms = {"execution": "same_close", "initial_cash": 100.0, "whole_shares": True}
    free, dear = (simulate_weights(panel, rows, costs=Costs.bps(bps), **terms).nav.iloc[-1] for bps in (0, 100))
    assert (free, dear) == (50.0, pytest.approx(54.1))


def test_a_delisting_is_a_fill_on_its_session() -> None:
    panel = with_delistings(random_panel(2, sessions=10, instruments=2), [(5, 0, -0.5)])
    result = simulate_weights(panel, pd.DataFrame([[0.5, 0.5]], index=panel.index[:1], columns=panel.symbols))
    last = result.fills.iloc[-1]
    assert (last["symbol"], last["side"], last["reason"]) == ("S0", "sell", "delisting")
    assert last["session"] == panel.index[5]
    assert last["fill_price"] == pytest.approx(0.5 * panel.values("close")[4, 0], rel=1e-15)
