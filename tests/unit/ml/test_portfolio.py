"""The score portfolio decides once a month, from that session's scores alone."""

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.engine import simulate_weights
from investlab.core.errors import InvalidInput
from investlab.ml.portfolio import score_weights
from tests.support.panels import random_panel

NAN = float("nan")


def _scores(rows: dict[str, list[float]]) -> pd.DataFrame:
    index = pd.DatetimeIndex(list(rows), name="session")
    return pd.DataFrame(list(rows.values()), index=index, columns=["A", "B", "C"])


def test_the_highest_scores_share_equally_at_each_months_first_scored_session() -> None:
    weights = score_weights(
        _scores(
            {
                "2020-01-15": [0.1, 0.3, 0.2],
                "2020-01-16": [9.0, 0.0, 0.0],
                "2020-02-03": [NAN, NAN, NAN],
                "2020-02-04": [-0.3, -0.1, -0.2],
                "2020-04-01": [1.0, NAN, NAN],
            }
        ),
        k=2,
    )
    assert weights.index.strftime("%m-%d").tolist() == ["01-15", "02-04", "04-01"]
    assert weights.to_numpy().tolist() == [[0.0, 0.5, 0.5], [0.0, 0.5, 0.5], [0.5, 0.0, 0.0]]


@pytest.mark.parametrize("level", [-5.0, 0.0, 5.0])
def test_equal_scores_rank_by_column(level: float) -> None:
    weights = score_weights(_scores({"2020-01-15": [level, level, level]}), k=2)
    assert weights.to_numpy().tolist() == [[0.5, 0.5, 0.0]]


def test_fewer_instruments_than_wanted_leave_cash() -> None:
    weights = score_weights(_scores({"2020-01-15": [NAN, -1.0, 2.0]}), k=5)
    assert weights.to_numpy().tolist() == [[0.0, 0.2, 0.2]]


def test_no_scores_decide_nothing() -> None:
    assert score_weights(_scores({"2020-01-15": [NAN] * 3})).empty
    assert score_weights(_scores({}).astype(float)).empty


def test_later_scores_change_no_decision() -> None:
    panel = random_panel(0, sessions=120, instruments=6)
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=panel.shape), panel.index, panel.symbols)
    whole = score_weights(scores, k=2)
    for cut in (1, 30, 77):
        assert score_weights(scores.iloc[:cut], k=2).equals(whole[whole.index <= scores.index[cut - 1]])


def test_the_weights_can_be_simulated() -> None:
    panel = random_panel(0, sessions=120, instruments=6)
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=panel.shape), panel.index, panel.symbols)
    result = simulate_weights(panel, score_weights(scores, k=2), execution="next_close")
    assert result.fills["decided"].dt.to_period("M").nunique() == 6


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_k_is_a_positive_whole_number(k: int) -> None:
    with pytest.raises(InvalidInput, match="k is"):
        score_weights(_scores({"2020-01-15": [0.1, 0.3, 0.2]}), k=k)


def test_sessions_must_increase() -> None:
    with pytest.raises(InvalidInput, match="increasing index"):
        score_weights(_scores({"2020-02-03": [0.0] * 3, "2020-01-15": [0.0] * 3}))
