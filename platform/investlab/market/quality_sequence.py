"""Quality checks of what lies between bars: sessions that are missing and closes that jump."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from investlab.market.quality_findings import EXAMPLES, Defects, day_text
from investlab.market.quality_settings import Known, QualitySettings
from investlab.market.quality_table import BarArrays

LONG_AGO = np.iinfo(np.int64).min
SPLIT_RATIOS = (1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100)


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """The last stored bar of each instrument (by code): its day, or long ago, and its close."""

    days: np.ndarray
    closes: np.ndarray

    @staticmethod
    def of(bars: BarArrays, known: Known) -> "Before":
        """Return what was stored before the bars; what is not older than an instrument's first bar does not count."""
        days = np.full(len(bars.symbols), LONG_AGO)
        closes = np.full(len(bars.symbols), np.nan)
        if len(known.before) and len(bars):
            codes = pd.Index(bars.symbols).get_indexer(known.before["symbol"].astype(object))
            found = codes >= 0
            days[codes[found]] = known.before["session"].to_numpy()[found].astype("datetime64[D]").astype(np.int64)
            closes[codes[found]] = known.before["close"].to_numpy(np.float64)[found]
            first = np.full(len(bars.symbols), LONG_AGO)
            starts = bars.starts()
            first[bars.codes[starts]] = bars.days[starts]
            late = days >= first
            days[late], closes[late] = LONG_AGO, np.nan
        return Before(days, closes)


def missing_sessions(bars: BarArrays, before: Before, by_year: bool) -> tuple[Defects, tuple[str, ...]]:
    """Return the sessions between an instrument's first and last bar that have none, with the first gaps as examples.

    Bars must be free of repeats and lie on sessions. Sessions since the last stored bar count as well.
    """
    if not len(bars):
        return Defects(bars.codes, bars.days, bars.days), ()
    starts = bars.starts()
    codes = bars.codes[starts]
    last = bars.positions[np.append(starts[1:], len(bars)) - 1]
    numbers = np.diff(np.append(starts, len(bars)))
    expected_from = _expected_from(bars, before, starts)
    if int((last + 1 - expected_from - numbers).sum()) == 0:
        return Defects(codes[:0], bars.days[:0], numbers[:0]), ()
    units = bars.sessions.astype("datetime64[Y]" if by_year else "datetime64[M]")
    edges = np.append(np.flatnonzero(np.append(True, units[1:] != units[:-1])), len(units))
    period = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    upper, lower = np.minimum.outer(last + 1, edges[1:]), np.maximum.outer(expected_from, edges[:-1])
    slots = np.repeat(np.arange(len(starts)), numbers)
    present = np.bincount(slots * (len(edges) - 1) + period[bars.positions], minlength=upper.size)
    absent = np.maximum(upper - lower, 0) - present.reshape(upper.shape)
    which, when = np.nonzero(absent)
    days = bars.sessions[edges[:-1]].astype(np.int64)[when]
    return Defects(codes[which], days, absent[which, when]), _gaps(bars, starts, expected_from)


def _expected_from(bars: BarArrays, before: Before, starts: np.ndarray) -> np.ndarray:
    first = bars.positions[starts]
    stored = before.days[bars.codes[starts]]
    after = np.searchsorted(bars.sessions.astype(np.int64), stored, side="right")
    expected: np.ndarray = np.where(stored == LONG_AGO, first, np.minimum(after, first))
    return expected


def _gaps(bars: BarArrays, starts: np.ndarray, expected_from: np.ndarray) -> tuple[str, ...]:
    previous = np.empty(len(bars), dtype=np.int64)
    previous[1:] = bars.positions[:-1]
    previous[starts] = expected_from - 1
    said = []
    for place in np.flatnonzero(bars.positions - previous > 1)[:EXAMPLES]:
        first, last = bars.sessions[previous[place] + 1], bars.sessions[bars.positions[place] - 1]
        until = "" if first == last else f" to {last} ({bars.positions[place] - previous[place] - 1} sessions)"
        said.append(f"{bars.symbols[bars.codes[place]]} {first}{until}")
    return tuple(said)


@dataclass(frozen=True, slots=True, eq=False)
class Jumps:
    """Where closes jump unexplained, how many times the close before they are, and what each looks like."""

    places: np.ndarray
    ratios: np.ndarray
    splits: np.ndarray
    returns: np.ndarray

    def examples(self, bars: BarArrays) -> tuple[str, ...]:
        """Return the first jumps, those that look like a split before the others."""
        first = np.argsort(np.isnan(self.splits), kind="stable")[:EXAMPLES]
        return tuple(self._text(bars, number) for number in first)

    def _text(self, bars: BarArrays, number: int) -> str:
        place, split = self.places[number], self.splits[number]
        text = f"{bars.symbols[bars.codes[place]]} {day_text(bars.days[place])} ×{self.ratios[number]:.3g}"
        if not np.isnan(split):
            return f"{text}, looks like a {_split_text(float(split))}"
        return f"{text}, back the next session" if self.returns[number] else text


def unexplained_jumps(bars: BarArrays, before: Before, known: Known, settings: QualitySettings) -> Jumps:
    """Return the closes that jump with neither a corporate action nor an adjusted close to explain it.

    A close that leaves its level for one session counts once.
    """
    close = bars.values["close"]
    earlier, since = np.empty(len(bars)), np.empty(len(bars), dtype=np.int64)
    earlier[1:], since[1:] = close[:-1], bars.days[:-1]
    starts = bars.starts()
    earlier[starts], since[starts] = before.closes[bars.codes[starts]], before.days[bars.codes[starts]]
    jumps = (close > settings.jump_ratio * earlier) | (close * settings.jump_ratio < earlier)
    places = np.flatnonzero(jumps)
    places = places[~_is_adjusted(bars, places, settings) & ~_has_action(bars, places, since[places], known)]
    returns = _returns(bars, places, earlier[places], settings)
    there = ~np.isin(places, places[returns] + 1)
    places, returns = places[there], returns[there]
    ratios = close[places] / earlier[places]
    splits = np.where(returns, np.nan, _split_like(ratios, settings.split_tolerance))
    return Jumps(places, ratios, splits, returns)


def _returns(bars: BarArrays, places: np.ndarray, earlier: np.ndarray, settings: QualitySettings) -> np.ndarray:
    """Return which closes that left a level are followed by one that is back at it: a wrong price, not a split."""
    following = np.minimum(places + 1, len(bars) - 1)
    back = bars.values["close"][following] / earlier
    limit = settings.jump_ratio**0.5
    same = (following > places) & (bars.codes[following] == bars.codes[places])
    returned: np.ndarray = same & (back < limit) & (back > 1 / limit)
    return returned


def _is_adjusted(bars: BarArrays, places: np.ndarray, settings: QualitySettings) -> np.ndarray:
    """Return where the vendor's adjusted close does not jump along."""
    if "adjusted_close" not in bars.values or not len(places):
        return np.zeros(len(places), dtype=bool)
    adjusted = bars.values["adjusted_close"]
    change = adjusted[places] / adjusted[np.maximum(places - 1, 0)]
    has_previous = bars.follows()[places]
    quiet: np.ndarray = has_previous & (change < settings.jump_ratio) & (change * settings.jump_ratio > 1)
    return quiet


def _has_action(bars: BarArrays, places: np.ndarray, since: np.ndarray, known: Known) -> np.ndarray:
    """Return where a corporate action has its ex-date after the bar before and up to the bar."""
    if not len(known.actions) or not len(places):
        return np.zeros(len(places), dtype=bool)
    codes = pd.Index(bars.symbols).get_indexer(known.actions["symbol"].astype(object))
    days = pd.to_datetime(known.actions["ex_date"]).to_numpy().astype("datetime64[D]").astype(np.int64)
    origin, span = bars.days.min(), int(np.ptp(bars.days)) + 1
    inside = (codes >= 0) & (days >= origin) & (days < origin + span)
    keys = np.sort(codes[inside] * span + days[inside] - origin)
    upto = bars.codes[places] * span + bars.days[places] - origin
    after = bars.codes[places] * span + np.maximum(since, origin - 1) - origin
    explained: np.ndarray = np.searchsorted(keys, upto, side="right") > np.searchsorted(keys, after, side="right")
    return explained


def _split_like(ratios: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the usual split ratio (shares after per share before) that each move is close to; NaN for none."""
    candidates = np.array([*SPLIT_RATIOS, *(1 / ratio for ratio in SPLIT_RATIOS[1:])])
    distances = np.abs(np.log(candidates) + np.log(ratios)[:, None])
    nearest = distances.argmin(axis=1)
    close_enough = distances[np.arange(len(ratios)), nearest] <= np.log1p(tolerance)
    found: np.ndarray = np.where(close_enough, candidates[nearest], np.nan)
    return found


def _split_text(ratio: float) -> str:
    if ratio == SPLIT_RATIOS[0]:
        return "3:2 split"
    return f"{ratio:g}:1 split" if ratio > 1 else f"1:{round(1 / ratio)} reverse split"
