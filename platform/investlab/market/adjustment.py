"""Adjusting prices for splits and dividends, backward for people and forward for signals."""

from dataclasses import replace

import numpy as np

from investlab.core.errors import InvalidInput
from investlab.market.actions import ActionTable
from investlab.market.panel import PricePanel, read_only
from investlab.schemas.market import PRICE_FIELDS, Adjust, PriceBasis


def _growth(panel: PricePanel, *, dividends: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return per session and column the split ratio and the total factor taking effect before its open.

    The factor of a dividend D after the last close C (in shares after the split) is 1 / (1 − D / C): the
    proportional method used by CRSP and by vendors of adjusted closes.
    """
    close = panel.values("close")
    actions = panel.actions
    splits = np.ones(panel.shape)
    splits[actions.session, actions.column] = actions.split_ratio
    factors = splits.copy()
    for row in range(len(actions)):
        session, column = int(actions.session[row]), int(actions.column[row])
        ratio, dividend = float(actions.split_ratio[row]), float(actions.dividend[row])
        if dividends and dividend > 0:
            known = np.flatnonzero(~np.isnan(close[:session, column]))
            if len(known):
                since = splits[known[-1] + 1 : session + 1, column].prod()
                cum = close[known[-1], column] / since
                if dividend >= cum:
                    raise InvalidInput(
                        f"The dividend {dividend} of {panel.symbols[column]} exceeds its last close {cum}.",
                        remedy="Correct the corporate action.",
                    )
                factors[session, column] = ratio / (1.0 - dividend / cum)
    return splits, factors


def point_in_time_prices(panel: PricePanel, name: str = "close") -> np.ndarray:
    """Return one price field scaled by all splits and dividends known at each session (sessions × instruments).

    The first session keeps its raw price and later ones are scaled up, so no value ever depends on a later action:
    what a strategy sees at *t* is the adjusted history as of *t*, up to one constant for each instrument.
    """
    values = panel.values(name)
    if not len(panel.actions):
        return values
    _, factors = _growth(panel, dividends=True)
    return read_only(values * np.cumprod(factors, axis=0))


def action_factors(panel: PricePanel) -> np.ndarray:
    """Return the factor by which splits and dividends scale prices from each session's open on (1 where there is none).

    A factor depends on the closes before its session alone (sessions × instruments).
    """
    return _growth(panel, dividends=True)[1]


def adjust_panel(panel: PricePanel, adjust: Adjust) -> PricePanel:
    """Return the panel adjusted backward, so that its last session keeps its price.

    `splits` makes the basis `split_adjusted` and keeps dividends, restated for later splits, as actions; `all` makes
    it `total_return` without actions.

    Raises:
        InvalidInput: The panel's basis already contains more than what is asked for.
    """
    if adjust is Adjust.NONE:
        return panel
    if adjust is Adjust.SPLITS and panel.basis is PriceBasis.TOTAL_RETURN:
        raise InvalidInput(
            f"{panel.source.label} has total-return prices; splits alone cannot be taken out.",
            remedy="Use adjust='none' or a dataset with raw prices.",
        )
    if adjust is Adjust.ALL and panel.basis is PriceBasis.TOTAL_RETURN:
        return panel
    splits, factors = _growth(panel, dividends=adjust is Adjust.ALL)
    total = np.cumprod(factors, axis=0)
    scale = total / total[-1]
    split_total = np.cumprod(splits, axis=0)
    later_splits = split_total / split_total[-1]
    fields = {}
    for name, values in panel.fields.items():
        if name in PRICE_FIELDS:
            fields[name] = read_only(values * scale)
        elif name == "volume":
            fields[name] = read_only(values / later_splits)
        else:
            fields[name] = values
    source = replace(panel.source, adjust=adjust)
    if adjust is Adjust.ALL:
        return replace(
            panel, fields=fields, basis=PriceBasis.TOTAL_RETURN, actions=ActionTable.empty(), source=source, id=""
        )
    actions = panel.actions
    paid = actions.dividend > 0
    restated = actions.dividend[paid] * later_splits[actions.session[paid], actions.column[paid]]
    kept = ActionTable(actions.session[paid], actions.column[paid], np.ones(int(paid.sum())), restated)
    return replace(panel, fields=fields, basis=PriceBasis.SPLIT_ADJUSTED, actions=kept, source=source, id="")
