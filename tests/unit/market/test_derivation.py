"""Splits and dividends derived from raw and adjusted closes."""

import numpy as np
import pytest

from investlab.core.errors import QualityRejected
from investlab.market.derivation import AdjustmentRule, DerivedAction, derive_actions, rebuilt_steps
from investlab.providers.protocol import FetchRequest
from investlab.providers.sample import SampleProvider
from investlab.schemas.market import ActionKind

ROUNDING = 0.5e-6


def adjusted(raw: list[float], steps: dict[int, float]) -> np.ndarray:
    """Return the adjusted close of a vendor whose factor grows by `steps` at the given positions."""
    growth = np.array([steps.get(position, 1.0) for position in range(len(raw))])
    factor = np.cumprod(growth)
    return np.array(raw) * factor / factor[-1]


@pytest.mark.parametrize(
    ("step", "ratio"),
    [
        pytest.param(2.0, 2.0, id="two-for-one"),
        pytest.param(1.5, 1.5, id="three-for-two"),
        pytest.param(7.0, 7.0, id="seven-for-one"),
        pytest.param(0.1, 0.1, id="reverse-one-for-ten"),
    ],
)
def test_a_simple_ratio_is_a_split(step: float, ratio: float) -> None:
    raw = [100.0, 101.0, 101.0 / step, 102.0 / step]
    found = derive_actions(np.array(raw), adjusted(raw, {2: step}), AdjustmentRule.EX_CLOSE, "X")
    assert found == [DerivedAction(2, ActionKind.SPLIT, ratio)]


@pytest.mark.parametrize("rule", list(AdjustmentRule))
def test_a_dividend_comes_back_to_the_cent(rule: AdjustmentRule) -> None:
    raw = [100.0, 101.0, 98.0, 99.0]
    step = 1 + 1.25 / 98.0 if rule is AdjustmentRule.EX_CLOSE else 1 / (1 - 1.25 / 101.0)
    found = derive_actions(np.array(raw), adjusted(raw, {2: step}), rule, "X")
    assert found == [DerivedAction(2, ActionKind.DIVIDEND, 1.25, ROUNDING)]


def test_a_dividend_after_a_split_is_in_new_shares() -> None:
    raw = [48.0, 24.0, 24.96, 25.0]
    found = derive_actions(np.array(raw), adjusted(raw, {1: 2.0, 2: 1 + 0.08 / 24.96}), AdjustmentRule.EX_CLOSE, "X")
    assert found == [DerivedAction(1, ActionKind.SPLIT, 2.0), DerivedAction(2, ActionKind.DIVIDEND, 0.08, ROUNDING)]


def test_rounding_noise_is_no_action() -> None:
    raw = np.array([100.0, 101.0, 102.0])
    noisy = raw * np.array([1.0, 1 + 1e-9, 1 - 1e-9])
    assert derive_actions(raw, noisy, AdjustmentRule.EX_CLOSE, "X") == []


@pytest.mark.parametrize("step", [0.97, 1.37])
def test_a_step_that_is_neither_is_refused(step: float) -> None:
    raw = [100.0, 101.0, 102.0]
    with pytest.raises(QualityRejected, match="X steps by"):
        derive_actions(np.array(raw), adjusted(raw, {1: step}), AdjustmentRule.EX_CLOSE, "X")


@pytest.mark.parametrize("rule", list(AdjustmentRule))
def test_a_rounded_adjusted_close_leaves_the_dividend_in_doubt(rule: AdjustmentRule) -> None:
    raw = [100.0, 101.0, 98.0, 99.0]
    step = 1 + 1.25 / 98.0 if rule is AdjustmentRule.EX_CLOSE else 1 / (1 - 1.25 / 101.0)
    rounded = adjusted(raw, {2: step}).round(6)
    for noise in (-0.5e-6, 0.5e-6):
        moved = rounded + np.array([0.0, noise, 0.0, 0.0])
        found = derive_actions(np.array(raw), moved.round(6), rule, "X")[0]
        assert abs(found.value - 1.25) <= found.uncertainty
        assert found.uncertainty < 1e-5


def test_raw_prices_and_actions_reproduce_the_adjusted_returns_of_the_sample() -> None:
    """The worst error over five instruments and 13 years is stated in docs/point-in-time.md."""
    delivery = SampleProvider().fetch(FetchRequest("us-ohlcv"))
    rule = delivery.adjustment_rule
    assert rule is not None
    worst = (0.0, "", "")
    for symbol, bars in delivery.read(delivery.parts[0]).groupby("symbol"):
        raw, vendor = bars["close"].to_numpy(), bars["adjusted_close"].to_numpy()
        steps = rebuilt_steps(raw, derive_actions(raw, vendor, rule, str(symbol)), rule)
        errors = np.abs(raw[1:] / raw[:-1] * steps - vendor[1:] / vendor[:-1])
        place = int(errors.argmax())
        worst = max(worst, (float(errors[place]), str(symbol), f"{bars['session'].iloc[place + 1]:%Y-%m-%d}"))
    assert worst[1:] == ("AAPL", "2009-01-21")
    assert f"{worst[0]:.0e}" == "1e-13"
