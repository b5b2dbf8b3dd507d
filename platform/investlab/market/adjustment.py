"""Adjusting prices for splits and dividends, backward for people and forward for signals."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from investlab.core.errors import InvalidInput
from investlab.market.actions import ActionTable
from investlab.market.growth import Growth, growths
from investlab.market.panel import PanelSource, PricePanel, read_only
from investlab.schemas.market import PRICE_FIELDS, Adjust, PriceBasis

ADJUSTED_FIELDS = (*PRICE_FIELDS, "volume")


def _growth(panel: PricePanel) -> Growth:
    return growths(panel.values("close"), panel.actions, dividends=True, named=lambda column: panel.symbols[column])[1]


def point_in_time_prices(panel: PricePanel, name: str = "close") -> np.ndarray:
    """Return one price field scaled by all splits and dividends known at each session (sessions × instruments).

    The first session keeps its raw price and later ones are scaled up, so no value ever depends on a later action:
    what a strategy sees at *t* is the adjusted history as of *t*, up to one constant for each instrument.
    """
    values = panel.values(name)
    if not len(panel.actions):
        return values
    scaled = np.empty(panel.shape)
    for span, total in _growth(panel).spans(len(values)):
        np.multiply(values[span], total, out=scaled[span])
    return read_only(scaled)


def action_factors(panel: PricePanel) -> np.ndarray:
    """Return the factor by which splits and dividends scale prices from each session's open on (1 where there is none).

    A factor depends on the closes before its session alone (sessions × instruments).
    """
    grown, factors = _growth(panel), np.ones(panel.shape)
    factors[grown.session, grown.column] = grown.factor
    return factors


def adjust_panel(panel: PricePanel, adjust: Adjust) -> PricePanel:
    """Return the panel adjusted backward, so that its last session keeps its price.

    `splits` makes the basis `split_adjusted` and keeps dividends, restated for later splits, as actions; `all` makes
    it `total_return` without actions.

    Raises:
        InvalidInput: The panel's basis already contains more than what is asked for.
    """
    if not needs_adjusting(panel.basis, adjust, panel.source):
        return panel
    fields = dict(panel.fields)
    adjusted = {name: np.empty(panel.shape) for name in ADJUSTED_FIELDS if name in fields}
    write_adjusted(panel.fields, panel.actions, adjust, adjusted, lambda column: panel.symbols[column])
    fields |= {name: read_only(values) for name, values in adjusted.items()}
    basis, actions = adjusted_terms(panel.actions, adjust, panel.shape[1])
    source = replace(panel.source, adjust=adjust)
    return replace(panel, fields=fields, basis=basis, actions=actions, source=source, id="")


def needs_adjusting(basis: PriceBasis, adjust: Adjust, source: PanelSource) -> bool:
    """Say whether prices of a basis change by an adjustment.

    Raises:
        InvalidInput: The basis already contains more than what is asked for.
    """
    if adjust is Adjust.SPLITS and basis is PriceBasis.TOTAL_RETURN:
        raise InvalidInput(
            f"{source.label} has total-return prices; splits alone cannot be taken out.",
            remedy="Use adjust='none' or a dataset with raw prices.",
        )
    return adjust is not Adjust.NONE and not (adjust is Adjust.ALL and basis is PriceBasis.TOTAL_RETURN)


def write_adjusted(
    raw: Mapping[str, np.ndarray],
    actions: ActionTable,
    adjust: Adjust,
    adjusted: Mapping[str, np.ndarray],
    named: Callable[[int], str],
) -> None:
    """Write fields adjusted backward into arrays of the same shape; `raw` holds them and the close.

    Prices are scaled by the growth up to a session over that up to the last one; volumes by that of the shares.

    Raises:
        InvalidInput: A dividend is as large as the price; `named` names the instrument of a column.
    """
    splits, grown = growths(raw["close"], actions, dividends=adjust is Adjust.ALL, named=named)
    prices = [name for name in adjusted if name in PRICE_FIELDS]
    last = grown.totals()
    for span, total in grown.spans(len(raw["close"])):
        scale = total / last
        for name in prices:
            np.multiply(raw[name][span], scale, out=adjusted[name][span])
    if "volume" in adjusted:
        last = splits.totals()
        for span, total in splits.spans(len(raw["close"])):
            np.divide(raw["volume"][span], total / last, out=adjusted["volume"][span])


def adjusted_terms(actions: ActionTable, adjust: Adjust, columns: int) -> tuple[PriceBasis, ActionTable]:
    """Return the basis of adjusted prices and the actions not in them: dividends, restated for later splits."""
    if adjust is Adjust.ALL:
        return PriceBasis.TOTAL_RETURN, ActionTable.empty()
    splits = Growth(actions.session, actions.column, actions.split_ratio, columns)
    paid = actions.dividend > 0
    column = actions.column[paid]
    restated = actions.dividend[paid] * (splits.at_actions()[paid] / splits.totals()[column])
    return PriceBasis.SPLIT_ADJUSTED, ActionTable(actions.session[paid], column, np.ones(int(paid.sum())), restated)
