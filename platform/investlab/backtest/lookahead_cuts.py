"""At which sessions to cut: where leaks that show only now and then are likely to show."""

from itertools import pairwise

import numpy as np

from investlab.market.panel import PricePanel
from investlab.schemas.market import BAR_FIELDS


def choose_cuts(panel: PricePanel, rng: np.random.Generator, count: int) -> list[int]:
    """Return about `count` session numbers to cut after, in random order and each once.

    Half are drawn evenly over the panel, so that every stretch and weekday has its turn. The others lie before what a
    strategy may peek at: the panel's end, ends of months and years, the largest moves of one and of 21 sessions,
    prices that begin, pause or end, corporate actions, delistings and new figures.
    """
    last = len(panel.sessions) - 2
    if last < 0:
        return []
    edges = np.linspace(0, last + 1, count // 2 + 1)
    spread = [int(rng.integers(int(low), max(int(high), int(low) + 1))) for low, high in pairwise(edges)]
    each = max(count // 16, 2)
    special = [last, last - 1, 0]
    for places in (_turns(panel, "M"), _turns(panel, "Y"), _moves(panel, each), _gaps(panel)):
        special.extend(_some(places, rng, each))
    special.extend(_some(event_cuts(panel), rng, 2 * each))
    cuts = sorted({min(max(int(cut), 0), last) for cut in (*spread, *special)})
    return [cuts[place] for place in rng.permutation(len(cuts))]


def event_cuts(panel: PricePanel) -> np.ndarray:
    """Return the sessions before which a corporate action, a delisting or a figure becomes known."""
    return np.union1d(action_cuts(panel), figure_cuts(panel))


def action_cuts(panel: PricePanel) -> np.ndarray:
    """Return the sessions before which a corporate action or a delisting becomes known."""
    return _before(panel.actions.session, panel.delistings.session)


def figure_cuts(panel: PricePanel) -> np.ndarray:
    """Return the sessions before which a figure becomes known."""
    told = []
    for name, values in panel.fields.items():
        if name not in BAR_FIELDS:
            moved = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
            told.append(np.flatnonzero(moved.any(axis=1)) + 1)
    return _before(*told)


def gap_cuts(panel: PricePanel) -> np.ndarray:
    """Return the sessions at which an instrument lacks a close that the next session has."""
    known = ~np.isnan(panel.values("close"))
    return np.flatnonzero((known[1:] & ~known[:-1]).any(axis=1))


def _before(*told: np.ndarray) -> np.ndarray:
    events = np.unique(np.concatenate([np.empty(0, np.int64), *told]))
    return events[events > 0].astype(np.int64) - 1


def _turns(panel: PricePanel, unit: str) -> np.ndarray:
    """Return sessions before the first of a month or year, and those before the last."""
    spans = panel.sessions.astype(f"datetime64[{unit}]")
    ends = np.flatnonzero(spans[1:] != spans[:-1])
    return np.concatenate([ends, ends - 1])


def _gaps(panel: PricePanel) -> np.ndarray:
    known = ~np.isnan(panel.values("close"))
    return np.flatnonzero((known[1:] != known[:-1]).any(axis=1))


def _moves(panel: PricePanel, count: int) -> np.ndarray:
    """Return the sessions before the largest moves, and the last ones of the wildest stretches."""
    with np.errstate(all="ignore"):
        moves = np.abs(np.diff(np.log(panel.values("close")), axis=0))
    size = np.where(np.isnan(moves), 0.0, moves).max(axis=1, initial=0.0)
    stretch = np.convolve(size, np.ones(21), mode="full")[: len(size)]
    return np.concatenate([np.argsort(-size, kind="stable")[:count], np.argsort(-stretch, kind="stable")[: 3 * count]])


def _some(places: np.ndarray, rng: np.random.Generator, count: int) -> list[int]:
    if len(places) <= count:
        return [int(place) for place in places]
    return [int(place) for place in rng.choice(places, count, replace=False)]
