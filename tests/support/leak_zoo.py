"""Thirty strategies that look ahead, as seen in the field, each beside a twin that does the same without looking.

Every rule is a function from a panel to weights. Decisions are made at a session's close, so the same session's high,
low and volume are known: using them is no leak.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from investlab.market.delistings import DelistingTable
from investlab.market.panel import PricePanel, read_only

Rule = Callable[[PricePanel], pd.DataFrame]
SESSIONS, FIRST = 500, "2007-01-01"
FIRST_DIVIDEND, SPLIT, LAST_OF_S4, FIRST_FILING = 90, 300, 400, 70
FILED_LATE, EARLY = 30, 3
"""Sessions from a period's end to its filing; sessions that a dividend is known early."""


@dataclass(frozen=True)
class Specimen:
    """A leak and its clean twin; `first_row` is the first wrong session where it can be worked out by hand."""

    name: str
    leak: Rule
    twin: Rule
    first_row: int | None = None
    fields: tuple[str, ...] | None = None


def zoo_panel(seed: int = 1) -> PricePanel:
    """Return raw bars of five instruments from Monday 2007-01-01 on, with a figure, events and a delisting."""
    rng = np.random.default_rng(seed)
    index = pd.bdate_range(FIRST, periods=SESSIONS)
    symbols = [f"S{number}" for number in range(5)]
    shape = (SESSIONS, len(symbols))
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, shape), axis=0))
    close[SPLIT:, 1] /= 2.0
    close[LAST_OF_S4:, 4] = np.nan
    spread = np.exp(np.abs(rng.normal(0.0, 0.01, shape)))
    opens = close * np.exp(rng.normal(0.0, 0.003, shape))
    made = {
        "close": close,
        "open": opens,
        "high": np.maximum(close, opens) * spread,
        "low": np.minimum(close, opens) / spread,
        "volume": rng.integers(1_000, 9_000, shape).astype(float),
    }
    frames = {name: pd.DataFrame(values, index, symbols) for name, values in made.items()}
    actions = pd.DataFrame(
        [
            (index[FIRST_DIVIDEND], "S0", "dividend", 0.5),
            (index[SPLIT], "S1", "split", 2.0),
            (index[350], "S2", "dividend", 0.4),
        ],
        columns=["ex_date", "symbol", "kind", "value"],
    )
    panel = PricePanel.from_frames(**frames, basis="raw", actions=actions)
    figure = np.full(shape, np.nan)
    for filed in range(FIRST_FILING, SESSIONS, 63):
        figure[filed:] = rng.uniform(1.0, 9.0, len(symbols))
    ends = DelistingTable(np.array([LAST_OF_S4]), np.array([4]), np.array([-1.0]))
    return replace(panel, fields={**panel.fields, "book_equity": read_only(figure)}, delistings=ends, id="")


def held(wanted: pd.DataFrame) -> pd.DataFrame:
    """Return equal parts for what is wanted."""
    return wanted.astype(float) / wanted.shape[1]


def momentum(panel: PricePanel) -> pd.DataFrame:
    """Return what rose over the last session."""
    return panel.close > panel.close.shift(1)


def peek(panel: PricePanel) -> pd.DataFrame:
    """Return what will rise over the next session."""
    return panel.close.shift(-1) > panel.close


def peek_when(when: Callable[[PricePanel], pd.DataFrame | np.ndarray]) -> tuple[Rule, Rule]:
    """Return a rule that peeks only where `when` says so, and one that holds nothing there."""

    def leak(panel: PricePanel) -> pd.DataFrame:
        return held(momentum(panel).where(~_spread(when, panel), peek(panel)))

    def twin(panel: PricePanel) -> pd.DataFrame:
        return held(momentum(panel).where(~_spread(when, panel), False))

    return leak, twin


def _spread(when: Callable[[PricePanel], pd.DataFrame | np.ndarray], panel: PricePanel) -> pd.DataFrame:
    return pd.DataFrame(np.broadcast_to(when(panel), panel.shape), panel.index, panel.symbols)


def _fridays(panel: PricePanel) -> np.ndarray:
    return (panel.index.day_of_week == 4)[:, None]


def _in_2008(panel: PricePanel) -> np.ndarray:
    return (panel.index.year == 2008)[:, None]


def _third(panel: PricePanel) -> np.ndarray:
    return np.arange(panel.shape[1]) == 2


def _volatile(panel: PricePanel) -> pd.DataFrame:
    returns = panel.close.pct_change(fill_method=None)
    return returns.rolling(20).std() > 1.25 * returns.rolling(100).std()


def _last_but_one(panel: PricePanel) -> np.ndarray:
    return (np.arange(panel.shape[0]) == panel.shape[0] - 2)[:, None]


def _last_session(panel: PricePanel) -> pd.DataFrame:
    return held(momentum(panel).where(~_spread(_last_but_one, panel), peek(panel)))


def _month_last(panel: PricePanel) -> pd.DataFrame:
    return panel.close.groupby(panel.index.to_period("M")).transform("last")


def _previous_month_last(panel: PricePanel) -> pd.DataFrame:
    months = panel.index.to_period("M")
    starts = np.r_[True, months[1:] != months[:-1]]
    return panel.close.shift(1).where(np.broadcast_to(starts[:, None], panel.shape)).ffill()


def _weekly(panel: PricePanel, label: str) -> pd.DataFrame:
    weekly = panel.close.resample("W-FRI", label=label, closed="right").last()
    return held(weekly.reindex(panel.index, method="ffill") > panel.close.shift(5))


def _all_components(panel: PricePanel) -> pd.DataFrame:
    parts = _first_component(panel.close.pct_change(fill_method=None).to_numpy())
    return pd.DataFrame(np.tile(parts, (panel.shape[0], 1)), panel.index, panel.symbols)


def _trailing_components(panel: PricePanel) -> pd.DataFrame:
    returns = panel.close.pct_change(fill_method=None).to_numpy()
    weights = np.full(panel.shape, np.nan)
    for row in range(250, panel.shape[0], 21):
        weights[row] = _first_component(returns[row - 249 : row + 1])
    return pd.DataFrame(weights, panel.index, panel.symbols)


def _first_component(returns: np.ndarray) -> np.ndarray:
    known = np.nan_to_num(returns)
    parts = np.abs(np.linalg.eigh(known.T @ known)[1][:, -1])
    return parts / parts.sum()


def _slope(before: np.ndarray, after: np.ndarray) -> float:
    known = ~(np.isnan(before) | np.isnan(after))
    return float(before[known] @ after[known]) / max(float(before[known] @ before[known]), 1e-12)


def _trained_on_all(panel: PricePanel) -> pd.DataFrame:
    returns = panel.close.pct_change(fill_method=None)
    return held(_slope(returns.to_numpy()[:-1], returns.to_numpy()[1:]) * returns > 0)


def _trained_on_past(panel: PricePanel) -> pd.DataFrame:
    returns = panel.close.pct_change(fill_method=None)
    values, slopes = returns.to_numpy(), np.zeros(panel.shape[0])
    for row in range(126, panel.shape[0], 21):
        past = values[row - 126 : row + 1]
        slopes[row : row + 21] = _slope(past[:-1], past[1:])
    return held(returns.mul(slopes, axis=0) > 0)


def _profits(panel: PricePanel) -> tuple[list[pd.DataFrame], np.ndarray]:
    """Return the signals of three windows and their profits up to each session (sessions × windows)."""
    returns = panel.close.pct_change(fill_method=None)
    signals = [panel.close > panel.close.shift(window) for window in (2, 10, 40)]
    earned = [(signal.shift(1, fill_value=False) * returns).sum(axis=1).cumsum() for signal in signals]
    return signals, np.column_stack(earned)


def _best_in_hindsight(panel: PricePanel) -> pd.DataFrame:
    signals, earned = _profits(panel)
    return held(signals[int(earned[-1].argmax())])


def _best_so_far(panel: PricePanel) -> pd.DataFrame:
    signals, earned = _profits(panel)
    best = earned.argmax(axis=1)
    chosen = np.stack([signal.to_numpy() for signal in signals])[best, np.arange(len(best))]
    return held(pd.DataFrame(chosen, panel.index, panel.symbols))


def _levels(panel: PricePanel, later: bool) -> pd.DataFrame:
    """Return closes restated for splits, as of the last session or as of each session."""
    factor = np.ones(panel.shape)
    for session, column, ratio in zip(
        panel.actions.session, panel.actions.column, panel.actions.split_ratio, strict=True
    ):
        if later:
            factor[:session, column] /= ratio
    return panel.close * factor


def _around_dividends(panel: PricePanel, early: int) -> pd.DataFrame:
    wanted = np.zeros(panel.shape, dtype=bool)
    paid = panel.actions.dividend > 0
    for session, column in zip(panel.actions.session[paid], panel.actions.column[paid], strict=True):
        wanted[max(session - early, 0) : session + 3, column] = True
    return held(pd.DataFrame(wanted, panel.index, panel.symbols))


def _figure(panel: PricePanel) -> pd.DataFrame:
    return panel.frame("book_equity" if "book_equity" in panel.fields else "close")


def _top(strength: pd.DataFrame) -> pd.DataFrame:
    return held(strength.rank(axis=1, ascending=False) <= 2)


def _before_the_top(panel: PricePanel) -> pd.DataFrame:
    tops = np.nan_to_num(panel.close.to_numpy()).argmax(axis=0)
    return held(pd.DataFrame(np.arange(panel.shape[0])[:, None] < tops, panel.index, panel.symbols))


def _rows_before(panel: PricePanel, row: int) -> pd.DataFrame:
    return held(
        pd.DataFrame(np.arange(panel.shape[0])[:, None] < np.full(panel.shape[1], row), panel.index, panel.symbols)
    )


def _volume(panel: PricePanel) -> pd.DataFrame:
    return panel.frame("volume" if "volume" in panel.fields else "close")


def _high(panel: PricePanel) -> pd.DataFrame:
    return panel.frame("high" if "high" in panel.fields else "close")


def _swing(panel: PricePanel) -> pd.DataFrame:
    return panel.close.pct_change(fill_method=None).abs()


ZOO: tuple[Specimen, ...] = (
    Specimen("shift", lambda p: held(peek(p)), lambda p: held(momentum(p)), 0, ("close",)),
    Specimen(
        "centred_rolling",
        lambda p: held(p.close > p.close.rolling(11, center=True).mean()),
        lambda p: held(p.close > p.close.rolling(11).mean()),
        5,
        ("close",),
    ),
    Specimen(
        "whole_sample_z_score",
        lambda p: held((p.close - p.close.mean()) / p.close.std() < 0.0),
        lambda p: held((p.close - p.close.expanding().mean()) / p.close.expanding().std() < 0.0),
        0,
    ),
    Specimen(
        "whole_sample_min_max",
        lambda p: ((p.close - p.close.min()) / (p.close.max() - p.close.min())).fillna(0.0) / p.shape[1],
        lambda p: ((p.close - p.close.cummin()) / (p.close.cummax() - p.close.cummin())).fillna(0.0) / p.shape[1],
        0,
    ),
    Specimen(
        "whole_sample_rank",
        lambda p: held(p.close.rank(pct=True) < 0.4),
        lambda p: held(p.close.expanding().rank(pct=True) < 0.4),
        0,
    ),
    Specimen("fill_back", lambda p: held(p.close.bfill().diff(3) > 0), lambda p: held(p.close.ffill().diff(3) > 0)),
    Specimen(
        "interpolate",
        lambda p: held(p.close.interpolate(limit_area="inside").diff() > 0),
        lambda p: held(p.close.ffill().diff() > 0),
    ),
    Specimen(
        "month_end_known_early",
        lambda p: held(_month_last(p) > p.close),
        lambda p: held(_previous_month_last(p) > p.close),
        0,
        ("close",),
    ),
    Specimen("resample_label_left", lambda p: _weekly(p, "left"), lambda p: _weekly(p, "right"), 5, ("close",)),
    Specimen(
        "future_volume",
        lambda p: held(_volume(p).shift(-1) > _volume(p)),
        lambda p: held(_volume(p) > _volume(p).shift(1)),
        0,
        ("volume",),
    ),
    Specimen(
        "scaled_by_last_price",
        lambda p: held(p.close / p.close.ffill().iloc[-1] < 0.9),
        lambda p: held(p.close / p.close.bfill().iloc[0] < 0.9),
    ),
    Specimen("principal_component_of_all", _all_components, _trailing_components, 0),
    Specimen(
        "fitted_threshold",
        lambda p: held(_swing(p) > _swing(p).quantile(0.8)),
        lambda p: held(_swing(p) > _swing(p).rolling(100).quantile(0.8)),
    ),
    Specimen(
        "survivors_only",
        lambda p: held(p.close.notna() & p.close.iloc[-1].notna()),
        lambda p: held(p.close.notna()),
        0,
        ("close",),
    ),
    Specimen(
        "adjusted_by_later_splits",
        lambda p: _levels(p, later=True) / 1e6,
        lambda p: _levels(p, later=False) / 1e6,
        0,
        ("actions",),
    ),
    Specimen(
        "dividend_known_early",
        lambda p: _around_dividends(p, EARLY),
        lambda p: _around_dividends(p, 0),
        FIRST_DIVIDEND - EARLY,
        ("actions",),
    ),
    Specimen(
        "high_of_next_session",
        lambda p: held(_high(p).shift(-1) > _high(p)),
        lambda p: held(_high(p) > _high(p).shift(1)),
        0,
        ("high",),
    ),
    Specimen("trained_on_all", _trained_on_all, _trained_on_past, 1),
    Specimen("parameter_in_hindsight", _best_in_hindsight, _best_so_far),
    Specimen("peeks_on_fridays", *peek_when(_fridays), 4, ("close",)),
    Specimen("peeks_in_2008", *peek_when(_in_2008), int(np.busday_count("2007-01-01", "2008-01-01")), ("close",)),
    Specimen("peeks_at_one_instrument", *peek_when(_third), 0, ("close",)),
    Specimen("peeks_when_volatile", *peek_when(_volatile), None, ("close",)),
    Specimen("peeks_at_the_last_session", _last_session, lambda p: held(momentum(p)), SESSIONS - 2, ("close",)),
    Specimen(
        "cumulated_backward",
        lambda p: held(p.close < 0.8 * p.close[::-1].cummax()[::-1]),
        lambda p: held(p.close < 0.8 * p.close.cummax()),
    ),
    Specimen(
        "sorted_by_future_return",
        lambda p: _top(p.close.shift(-20) / p.close),
        lambda p: _top(p.close / p.close.shift(20)),
        0,
        ("close",),
    ),
    Specimen("sold_at_the_top", _before_the_top, lambda p: held(p.close > 0.9 * p.close.cummax()), 0, ("close",)),
    Specimen(
        "expanding_from_the_end",
        lambda p: held(p.close > p.close[::-1].expanding().mean()[::-1]),
        lambda p: held(p.close > p.close.expanding().mean()),
        0,
        ("close",),
    ),
    Specimen(
        "length_of_the_panel",
        lambda p: _rows_before(p, p.shape[0] // 2),
        lambda p: _rows_before(p, 250),
        0,
        ("sessions",),
    ),
    Specimen(
        "figure_known_at_period_end",
        lambda p: _top(_figure(p).shift(-FILED_LATE)),
        lambda p: _top(_figure(p)),
        0,
        ("book_equity",),
    ),
)
