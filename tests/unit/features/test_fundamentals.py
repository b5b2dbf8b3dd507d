"""Book-to-price and earnings yield: per share as traded, known only once filed, the same offline and online."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.core.errors import InvalidInput, NotFound
from investlab.features.definitions import FEATURES, find_feature, lookback_of
from investlab.features.fundamentals import FUNDAMENTAL_FEATURES
from investlab.features.matrix import build_features
from investlab.market.actions import ActionTable
from investlab.market.adjustment import Adjust, adjust_panel
from investlab.market.fundamentals import with_fundamentals
from investlab.market.panel import PricePanel, read_only
from investlab.schemas.market import ActionKind
from tests.support.figures import closing, history_of, priced_panel, row_of, split
from tests.support.panels import examples, until

NAMES = tuple(FUNDAMENTAL_FEATURES)
METRICS = ("book_equity", "net_income_ttm", "shares_outstanding")
SPLIT_ON = "2020-08-31"
REPORTS = [
    (1, "book_equity", "2019-12-31", "2020-02-03 12:00", 600.0),
    (1, "net_income_ttm", "2019-12-31", "2020-02-03 12:00", 150.0),
    (1, "shares_outstanding", "2019-12-31", "2020-02-03 12:00", 10.0),
]


def split_panel() -> PricePanel:
    """Return closes of 100 that a split of four to one turns into 25, with the figures of one report."""
    panel = priced_panel({"AAA": 100.0})
    row = row_of(panel, SPLIT_ON)
    close = panel.values("close").copy()
    close[row:] = 25.0
    table = ActionTable.from_rows([(row, 0, ActionKind.SPLIT, 4.0)])
    panel = replace(panel, fields={"close": read_only(close)}, actions=table, id="")
    return with_fundamentals(panel, history_of(REPORTS), [split(1, SPLIT_ON, 4.0)], METRICS)


@pytest.mark.parametrize(("name", "expected"), [("book_to_price", 0.6), ("earnings_yield", 0.15)])
def test_a_split_changes_no_ratio(name: str, expected: float) -> None:
    """10 shares of 100 are worth 1,000, and so are 40 of 25."""
    panel = split_panel()
    found = build_features(panel, [name]).frame(name)["AAA"]
    known = row_of(panel, "2020-02-03")
    assert found.iloc[:known].isna().all()
    assert found.iloc[known:].tolist() == pytest.approx([expected] * (len(found) - known), rel=1e-15)


def test_they_stand_beside_features_of_prices() -> None:
    matrix = build_features(split_panel(), ["return_5", "book_to_price", "earnings_yield"])
    alone = build_features(split_panel(), ["return_5"])
    assert np.array_equal(matrix.values[:, :, 0], alone.values[:, :, 0], equal_nan=True)
    assert matrix.names == ("return_5", "book_to_price", "earnings_yield")
    assert lookback_of(NAMES) == 0


def test_they_are_found_by_name_and_no_part_of_the_features_of_prices() -> None:
    assert not set(NAMES) & set(FEATURES)
    assert [find_feature(name).name for name in NAMES] == list(NAMES)
    with pytest.raises(NotFound, match="book_to_price"):
        find_feature("book_to_prize")


def test_without_figures_they_say_what_is_missing() -> None:
    with pytest.raises(InvalidInput, match=r"needs book_equity and shares_outstanding.*lab\.fundamentals"):
        build_features(priced_panel({"AAA": 5.0}), ["book_to_price"])


@pytest.mark.parametrize("adjust", [Adjust.SPLITS, Adjust.ALL])
def test_adjusted_prices_are_refused(adjust: Adjust) -> None:
    with pytest.raises(InvalidInput, match="needs prices as traded"):
        build_features(adjust_panel(split_panel(), adjust), ["earnings_yield"])


def test_a_missing_close_or_figure_is_unknown() -> None:
    panel = split_panel()
    close = panel.values("close").copy()
    close[100] = np.nan
    found = build_features(replace(panel, fields={**panel.fields, "close": read_only(close)}, id=""), NAMES)
    assert np.isnan(found.values[100]).all()
    assert np.isfinite(found.values[[99, 101]]).all()


BASE = priced_panel({"AAA": 50.0, "BBB": 20.0}, last="2020-05-29")
MOMENTS = st.sampled_from([f"2020-{month:02d}-{day:02d} 20:30" for month in range(1, 6) for day in range(1, 29)])
FIGURES = st.lists(
    st.tuples(
        st.sampled_from([1, 2]), st.sampled_from(METRICS), st.sampled_from(["2019-09-30", "2019-12-31"]), MOMENTS
    ),
    max_size=12,
    unique=True,
)


def build(panel: PricePanel, figures: list[tuple[int, str, str, str]], offset: float) -> np.ndarray:
    valued = [(*figure, offset + place) for place, figure in enumerate(figures)]
    splits = [split(1, "2020-03-02", 2.0)]
    return build_features(with_fundamentals(panel, history_of(valued), splits, METRICS), NAMES).values


@pytest.mark.slow
@given(FIGURES, FIGURES, st.integers(0, len(BASE.sessions) - 1))
@examples(40)
def test_restating_or_adding_filings_later_changes_no_row_before(
    known: list[tuple[int, str, str, str]], later: list[tuple[int, str, str, str]], cut: int
) -> None:
    close = str(closing(BASE, cut).tz_localize(None))
    news = [figure for figure in later if figure[3] > close and figure not in known]
    one, two = build(BASE, known, 5.0), build(BASE, [*known, *news], 5.0)
    assert np.array_equal(one[: cut + 1], two[: cut + 1], equal_nan=True)


@pytest.mark.slow
@given(FIGURES, st.integers(0, len(BASE.sessions) - 1))
@examples(30)
def test_offline_equals_online_to_the_bit(known: list[tuple[int, str, str, str]], last: int) -> None:
    """The row that a service builds on the one session it needs is the row that training saw."""
    day = str(BASE.sessions[last])
    online = priced_panel({"AAA": 50.0, "BBB": 20.0}, first=day, last=day)
    whole = build(BASE, known, 5.0)
    assert np.array_equal(build(online, known, 5.0)[-1], whole[last], equal_nan=True)
    assert np.array_equal(build(until(BASE, last), known, 5.0), whole[: last + 1], equal_nan=True)
