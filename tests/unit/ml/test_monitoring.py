"""Predictions are judged by what was known: only matured ones, at their own session's instruments."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.ml.monitoring import match_outcomes, monitor, rolling_ic
from tests.support.panels import random_panel, until, with_another_future

HORIZON = 5


@pytest.fixture(scope="module")
def panel() -> PricePanel:
    return random_panel(0, sessions=60, instruments=6, basis="total_return")


def predictions(panel: PricePanel, first: int = 10, last: int = 59, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            (panel.index[row], ref.instrument_id, float(rng.normal()))
            for row in range(first, last + 1)
            for ref in panel.listing
        ],
        columns=["session", "instrument_id", "score"],
    )


def test_only_matured_predictions_are_matched(panel: PricePanel) -> None:
    found = match_outcomes(predictions(panel), panel, HORIZON)
    assert found["session"].nunique() == 60 - 10 - HORIZON
    assert (found["matured_on"] <= pd.Timestamp(panel.last_session)).all()
    row = found.iloc[7]
    place = panel.index.get_loc(row["session"])
    close = panel.values("close")
    column = int(row["instrument_id"]) - 1
    assert row["forward_return"] == close[place + HORIZON, column] / close[place, column] - 1.0
    assert row["matured_on"] == panel.index[place + HORIZON]


@pytest.mark.parametrize("cut", [12, 30, 45])
def test_what_a_moment_knew_of_outcomes_never_changes(panel: PricePanel, cut: int) -> None:
    made = predictions(panel)
    whole = match_outcomes(made, panel, HORIZON)
    known = whole[whole["matured_on"] <= panel.index[cut]]
    for other in (until(panel, cut), with_another_future(panel, cut)):
        found = match_outcomes(made, other, HORIZON)
        found = found[found["matured_on"] <= panel.index[cut]].reset_index(drop=True)
        assert found.equals(known.reset_index(drop=True))
    report = monitor(made, until(panel, cut), HORIZON)
    assert report.by_session.equals(monitor(made, panel, HORIZON).by_session[: report.matured_sessions])


def test_the_report_counts_and_averages(panel: PricePanel) -> None:
    made = predictions(panel)
    report = monitor(made, panel, HORIZON, rolling_sessions=21)
    assert (report.predicted_sessions, report.matured_sessions, report.pending_sessions) == (50, 45, 5)
    close = panel.values("close")
    by_hand = [
        spearmanr(made["score"].to_numpy().reshape(-1, 6)[row - 10], close[row + HORIZON] / close[row]).statistic
        for row in range(10, 55)
    ]
    assert report.by_session.tolist() == pytest.approx(by_hand)
    assert report.mean_ic == pytest.approx(np.mean(by_hand))
    assert report.rolling_ic == pytest.approx(np.mean(by_hand[-21:]))


def test_perfect_foresight_has_a_coefficient_of_one(panel: PricePanel) -> None:
    made = match_outcomes(predictions(panel), panel, HORIZON)
    made["score"] = made["forward_return"]
    assert monitor(made, panel, HORIZON).mean_ic == pytest.approx(1.0)


def test_before_anything_matured_there_is_no_coefficient(panel: PricePanel) -> None:
    for made in (predictions(panel, 57), predictions(panel).iloc[:0]):
        report = monitor(made, panel, HORIZON)
        assert (report.matured_sessions, report.mean_ic, report.rolling_ic) == (0, None, None)
    assert monitor(predictions(panel, 57), panel, HORIZON).pending_sessions == 3


def test_what_the_panel_does_not_know_is_left_out(panel: PricePanel) -> None:
    made = predictions(panel, 10, 12)
    strange = pd.DataFrame(
        {
            "session": [pd.Timestamp("2019-01-01"), pd.Timestamp("2020-01-18"), pd.NaT, panel.index[11]],
            "instrument_id": [1, 1, 1, None],
            "score": [1.0, 2.0, 3.0, 4.0],
        }
    )
    both = pd.concat([strange, made], ignore_index=True)
    assert match_outcomes(both, panel, HORIZON).equals(match_outcomes(made, panel, HORIZON))


def test_the_last_prediction_of_a_session_counts(panel: PricePanel) -> None:
    early, late = predictions(panel, seed=1), predictions(panel, seed=2)
    both = pd.concat([early, late], ignore_index=True)
    assert match_outcomes(both, panel, HORIZON).equals(match_outcomes(late, panel, HORIZON))


def test_the_order_of_predictions_does_not_matter(panel: PricePanel) -> None:
    made = predictions(panel)
    mixed = made.sample(frac=1.0, random_state=3)
    assert match_outcomes(mixed, panel, HORIZON).equals(match_outcomes(made, panel, HORIZON))


def test_days_may_be_plain_dates(panel: PricePanel) -> None:
    made = predictions(panel)
    plain = made.assign(session=[stamp.date() for stamp in made["session"]])
    assert match_outcomes(plain, panel, HORIZON).equals(match_outcomes(made, panel, HORIZON))


def test_a_rolling_mean_by_hand() -> None:
    series = pd.Series([0.1, 0.3, 0.5, -0.1], index=pd.bdate_range("2020-01-01", periods=4))
    assert rolling_ic(series, 2).tolist() == pytest.approx([0.1, 0.2, 0.4, 0.2])


def test_wrong_input_is_refused(panel: PricePanel) -> None:
    with pytest.raises(InvalidInput, match="lack score"):
        match_outcomes(predictions(panel).drop(columns="score"), panel, HORIZON)
    with pytest.raises(InvalidInput, match="horizon_sessions is 0"):
        match_outcomes(predictions(panel), panel, 0)
    with pytest.raises(InvalidInput, match="rolling_sessions is 0"):
        monitor(predictions(panel), panel, HORIZON, rolling_sessions=0)
