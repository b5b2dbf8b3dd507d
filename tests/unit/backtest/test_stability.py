"""A plateau is told from a peak: hand-worked grids."""

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.stability import plateau, smooth, stability, widest
from investlab.core.errors import InvalidInput, NotFound
from tests.unit.charts.values import make_sweep

NAN = float("nan")


def table_of(rows: list[list[float]], name: str = "sharpe") -> pd.DataFrame:
    """Return trials over slow (10, 20, …, rows) and fast (1, 2, …, columns); NaN is no trial."""
    found = [
        {"fast": column + 1, "slow": 10 * (row + 1), name: value}
        for row, values in enumerate(rows)
        for column, value in enumerate(values)
        if not np.isnan(value)
    ]
    return pd.DataFrame(found)


PEAK_AND_PLATEAU = [
    [0.0, 0.0, 0.0, 1.0, 1.0],
    [0.0, 3.0, 0.0, 1.0, 1.0],
    [0.0, 0.0, 0.0, 1.0, 1.0],
]
"""One trial far better than all others, alone; six equal ones beside each other."""


def test_a_cell_is_smoothed_to_the_median_of_itself_and_its_neighbours() -> None:
    smoothed = smooth(np.array([[1.0, 2.0, 9.0], [4.0, 5.0, 6.0], [7.0, 8.0, 3.0]]))
    assert smoothed[1, 1] == 5.0  # 1 2 3 4 5 6 7 8 9
    assert smoothed[0, 0] == 3.0  # 1 2 4 5
    assert smoothed[0, 1] == 4.5  # 1 2 4 5 6 9


def test_cells_without_a_trial_neither_get_a_value_nor_give_one() -> None:
    smoothed = smooth(np.array([[1.0, NAN], [NAN, 3.0]]))
    np.testing.assert_array_equal(smoothed, [[2.0, NAN], [NAN, 2.0]])


def test_a_lone_peak_is_outside_the_robust_region() -> None:
    found = stability(table_of(PEAK_AND_PLATEAU), ["fast", "slow"])
    assert found.best == (2, 20)
    assert not found.is_best_on_plateau
    assert found.plateau.to_numpy().astype(int).tolist() == [[0, 0, 0, 1, 1]] * 3
    assert found.sentence == (
        "Robust region: fast 4 to 5 × slow 10 to 30, 6 of 15 cells, where the Sharpe ratio smoothed over neighbours is "
        "1.00 or more; the best, fast=2, slow=20, has 3.00 and its neighbourhood 0.00, outside it."
    )


def test_a_best_trial_among_good_ones_is_inside_it() -> None:
    rows = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.1], [0.0, 0.0, 1.0, 1.0]]
    found = stability(table_of(rows), ["fast", "slow"])
    assert found.is_best_on_plateau
    assert found.sentence.endswith("has 1.10 and its neighbourhood 1.00, inside it.")


def test_the_region_is_the_largest_connected_part_that_reaches_nine_tenths() -> None:
    held = plateau(np.array([[1.0, 0.2, 0.9, 0.95], [0.2, 0.91, 0.2, 0.89]]))
    assert held.astype(int).tolist() == [[0, 0, 1, 1], [0, 0, 0, 0]]


def test_corners_do_not_connect() -> None:
    held = plateau(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert held.astype(int).tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("value", [0.0, -0.5])
def test_nothing_is_robust_where_no_neighbourhood_gains(value: float) -> None:
    found = stability(table_of([[value, value], [value, value]]), ["fast", "slow"])
    assert not found.plateau.to_numpy().any()
    assert found.sentence.startswith("There is no robust region, for no neighbourhood has a Sharpe ratio above 0;")


def test_one_parameter_is_one_row() -> None:
    table = pd.DataFrame({"k": [3, 1, 2, 4], "sharpe": [1.0, 0.1, 1.0, 1.0]})
    found = stability(table, ["k"])
    assert found.raw.to_numpy().tolist() == [[0.1, 1.0, 1.0, 1.0]]
    assert found.smoothed.to_numpy().tolist() == [[0.55, 1.0, 1.0, 1.0]]
    assert found.sentence.startswith("Robust region: k 2 to 4, 3 of 4 cells")


def test_of_trials_that_share_a_cell_the_median_counts() -> None:
    table = pd.DataFrame({"a": [1, 1, 1, 2], "b": [1] * 4, "c": [1, 2, 3, 1], "sharpe": [0.0, 1.0, 9.0, 2.0]})
    assert stability(table, ["a", "b"]).raw.to_numpy().tolist() == [[1.0, 2.0]]


def test_words_are_places_too() -> None:
    table = pd.DataFrame({"kind": ["b", "a"], "n": [1, 1], "sharpe": [1.0, 2.0]})
    assert stability(table, ["kind", "n"]).raw.columns.tolist() == ["b", "a"]


def test_other_metrics_read_as_fractions() -> None:
    found = stability(table_of([[0.1, 0.12]], "cagr"), ["fast"], "cagr")
    assert "where the CAGR smoothed over neighbours is 11.0% or more" in found.sentence


@pytest.mark.parametrize(("parameters", "metric"), [((), "sharpe"), (("a", "b", "c"), "sharpe"), (("a",), "costs")])
def test_what_has_no_plateau_is_refused(parameters: tuple[str, ...], metric: str) -> None:
    with pytest.raises(InvalidInput, match="no plateau"):
        stability(pd.DataFrame({"a": [1], "sharpe": [1.0]}), parameters, metric)


def test_the_parameters_with_most_values_are_chosen_in_the_grids_order() -> None:
    table = pd.DataFrame({"a": [1, 1, 1], "b": [1, 2, 3], "c": [1, 2, 2], "d": [4, 4, 4]})
    assert widest(table, ["a", "b", "c", "d"]) == ["b", "c"]
    assert widest(table, ["c", "b"]) == ["c", "b"]
    assert widest(table, ["a", "d"]) == ["a"]


def test_a_sweep_knows_its_region_and_refuses_unknown_names() -> None:
    sweep = make_sweep()
    assert sweep.stability().x == "fast"
    assert sweep.stability("slow").y == ""
    with pytest.raises(NotFound, match="slwo"):
        sweep.stability("slwo")
