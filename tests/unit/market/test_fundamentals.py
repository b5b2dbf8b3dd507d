"""Figures from reports stand beside prices as they were known at each close, and never earlier."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.core.errors import MixedData
from investlab.market.fundamentals import STALE_AFTER_DAYS, with_fundamentals
from investlab.market.panel import PricePanel
from tests.support.figures import Figure, closing, history_of, priced_panel, row_of, split
from tests.support.panels import examples

METRICS = ("book_equity", "shares_outstanding")


def figures_on(panel: PricePanel, metric: str, *days: str) -> list[float]:
    """Return the first instrument's figure on some days."""
    return [float(panel.values(metric)[row_of(panel, day), 0]) for day in days]


def test_a_figure_is_known_from_the_first_close_at_or_after_its_filing() -> None:
    """The exchange closes at 21:00 UTC in winter and at 20:00 in summer."""
    figures = [
        (1, "book_equity", "2019-12-31", "2020-01-30 21:00", 10.0),
        (1, "book_equity", "2020-03-31", "2020-04-30 20:01", 20.0),
    ]
    panel = with_fundamentals(priced_panel({"AAA": 5.0}), history_of(figures), [], METRICS)
    days = ("2020-01-29", "2020-01-30", "2020-04-30", "2020-05-01")
    assert figures_on(panel, "book_equity", *days) == pytest.approx([np.nan, 10.0, 10.0, 20.0], nan_ok=True)


def test_a_restatement_counts_from_its_own_filing() -> None:
    figures = [
        (1, "book_equity", "2019-12-31", "2020-02-03 12:00", 10.0),
        (1, "book_equity", "2019-12-31", "2020-06-01 12:00", 8.0),
    ]
    panel = with_fundamentals(priced_panel({"AAA": 5.0}), history_of(figures), [], METRICS)
    assert figures_on(panel, "book_equity", "2020-02-03", "2020-05-29", "2020-06-01") == [10.0, 10.0, 8.0]


def test_a_restated_older_period_does_not_replace_a_later_one() -> None:
    figures = [
        (1, "book_equity", "2019-12-31", "2020-02-03 12:00", 10.0),
        (1, "book_equity", "2020-03-31", "2020-05-04 12:00", 12.0),
        (1, "book_equity", "2019-12-31", "2020-06-01 12:00", 8.0),
    ]
    panel = with_fundamentals(priced_panel({"AAA": 5.0}), history_of(figures), [], METRICS)
    assert figures_on(panel, "book_equity", "2020-05-01", "2020-05-29", "2020-06-02") == [10.0, 12.0, 12.0]


def test_a_figure_grows_stale() -> None:
    figures = [(1, "book_equity", "2018-12-31", "2019-02-01 12:00", 10.0)]
    panel = with_fundamentals(priced_panel({"AAA": 5.0}), history_of(figures), [], METRICS)
    known = np.flatnonzero(~np.isnan(panel.values("book_equity")[:, 0]))
    assert (panel.sessions[known[-1]].item() - date(2018, 12, 31)).days <= STALE_AFTER_DAYS
    assert (panel.sessions[known[-1] + 1].item() - date(2018, 12, 31)).days > STALE_AFTER_DAYS


def test_a_share_count_grows_with_the_splits_after_its_filing_alone() -> None:
    figures = [
        (1, "shares_outstanding", "2019-12-31", "2020-02-03 12:00", 100.0),
        (1, "shares_outstanding", "2020-03-31", "2020-05-04 12:00", 410.0),
        (1, "book_equity", "2019-12-31", "2020-02-03 12:00", 10.0),
    ]
    splits = [split(1, "2020-01-15", 7.0), split(1, "2020-03-02", 2.0), split(1, "2020-05-04", 2.0)]
    panel = with_fundamentals(priced_panel({"AAA": 5.0}), history_of(figures), splits, METRICS)
    days = ("2020-02-03", "2020-02-28", "2020-03-02", "2020-05-01", "2020-05-04", "2020-12-31")
    assert figures_on(panel, "shares_outstanding", *days) == [100.0, 100.0, 200.0, 200.0, 410.0, 410.0]
    assert figures_on(panel, "book_equity", "2020-12-31") == [10.0]


def test_the_split_of_a_filings_own_day_is_in_its_count_already() -> None:
    """A report of that day counts in new shares; one filed the evening before, after the close, does not."""
    for filed_at, count in (("2020-03-02 10:00", 100.0), ("2020-03-01 23:00", 200.0)):
        figures = [(1, "shares_outstanding", "2019-12-31", filed_at, 100.0)]
        panel = with_fundamentals(
            priced_panel({"AAA": 5.0}), history_of(figures), [split(1, "2020-03-02", 2.0)], METRICS
        )
        assert figures_on(panel, "shares_outstanding", "2020-03-02") == [count]


def test_a_split_before_the_panel_begins_counts_too() -> None:
    figures = [(1, "shares_outstanding", "2019-09-30", "2019-11-01 12:00", 100.0)]
    splits = [split(1, "2019-12-02", 3.0)]
    panel = with_fundamentals(priced_panel({"AAA": 5.0}, first="2020-06-01"), history_of(figures), splits, METRICS)
    assert figures_on(panel, "shares_outstanding", "2020-06-01") == [300.0]


def test_a_split_told_late_counts_from_when_it_was_known() -> None:
    figures = [(1, "shares_outstanding", "2019-12-31", "2020-02-03 12:00", 100.0)]
    late = split(1, "2020-03-02", 2.0, known_at="2020-03-05")
    panel = with_fundamentals(priced_panel({"AAA": 5.0}), history_of(figures), [late], METRICS)
    assert figures_on(panel, "shares_outstanding", "2020-03-04", "2020-03-05") == [100.0, 200.0]


def test_each_instrument_has_its_own_figures_and_others_are_left_out() -> None:
    figures = [
        (2, "book_equity", "2019-12-31", "2020-02-03 12:00", 10.0),
        (9, "book_equity", "2019-12-31", "2020-02-03 12:00", 90.0),
        (2, "inventory", "2019-12-31", "2020-02-03 12:00", 70.0),
    ]
    panel = with_fundamentals(priced_panel({"AAA": 5.0, "BBB": 6.0}), history_of(figures), [], METRICS)
    assert list(panel.fields) == ["close", *METRICS]
    assert np.isnan(panel.values("book_equity")[:, 0]).all()
    assert panel.values("book_equity")[-1, 1] == 10.0


def test_figures_are_part_of_what_names_a_panel() -> None:
    plain = priced_panel({"AAA": 5.0})
    one, two = (
        with_fundamentals(plain, history_of([(1, "book_equity", "2019-12-31", "2020-02-03", value)]), [], METRICS)
        for value in (1.0, 2.0)
    )
    assert len({plain.id, one.id, two.id}) == 3
    assert plain.id == priced_panel({"AAA": 5.0}).id


def test_a_figure_in_another_currency_is_refused() -> None:
    figures = history_of([(1, "book_equity", "2019-12-31", "2020-02-03", 1.0)], currency="EUR")
    with pytest.raises(MixedData, match="book_equity of AAA is in EUR, the panel in USD"):
        with_fundamentals(priced_panel({"AAA": 5.0}), figures, [], METRICS)


PANEL = priced_panel({"AAA": 5.0, "BBB": 7.0}, last="2020-06-30")
MOMENTS = pd.date_range("2019-09-01", "2020-07-31", freq="7h").strftime("%Y-%m-%d %H:%M").tolist()


@st.composite
def figures(draw: st.DrawFn) -> list[Figure]:
    """Draw filings and restatements of some periods, at most one at a time."""
    keys = st.tuples(
        st.sampled_from([1, 2]),
        st.sampled_from(METRICS),
        st.sampled_from(["2018-12-31", "2019-06-30", "2019-12-31", "2020-03-31"]),
        st.sampled_from(MOMENTS),
    )
    found = draw(st.lists(keys, max_size=12, unique=True))
    return [(*key, float(draw(st.integers(1, 99)))) for key in found]


@pytest.mark.slow
@given(figures(), figures(), st.integers(0, len(PANEL.sessions) - 1))
@examples(60)
def test_filings_after_a_close_change_nothing_up_to_it(known: list[Figure], later: list[Figure], cut: int) -> None:
    close = closing(PANEL, cut)
    news = [figure for figure in later if pd.Timestamp(figure[3], tz="UTC") > close]
    splits = [split(1, "2019-11-04", 3.0), split(1, "2020-02-03", 2.0), split(2, "2020-04-01", 0.1)]
    before = with_fundamentals(PANEL, history_of(known), splits, METRICS)
    after = with_fundamentals(PANEL, history_of([*known, *news]), splits, METRICS)
    told = with_fundamentals(
        PANEL, history_of([figure for figure in known if pd.Timestamp(figure[3], tz="UTC") <= close]), splits, METRICS
    )
    for metric in METRICS:
        rows = before.values(metric)[: cut + 1]
        assert np.array_equal(rows, after.values(metric)[: cut + 1], equal_nan=True)
        assert np.array_equal(rows, told.values(metric)[: cut + 1], equal_nan=True)


@pytest.mark.slow
@given(figures(), st.integers(1, len(PANEL.sessions) - 1))
@examples(40)
def test_a_panel_that_begins_later_has_the_same_figures_to_the_bit(known: list[Figure], start: int) -> None:
    splits = [split(1, "2019-11-04", 3.0), split(1, "2020-02-03", 1.1), split(1, "2020-04-01", 0.7)]
    tail = priced_panel({"AAA": 5.0, "BBB": 7.0}, first=str(PANEL.sessions[start]), last="2020-06-30")
    whole = with_fundamentals(PANEL, history_of(known), splits, METRICS)
    short = with_fundamentals(tail, history_of(known), splits, METRICS)
    for metric in METRICS:
        assert np.array_equal(whole.values(metric)[start:], short.values(metric), equal_nan=True)
