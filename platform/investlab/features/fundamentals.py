"""Features that set figures from reports against prices; only panels that hold those figures have them.

`market.fundamentals` adds the figures to a panel, each as it was known at the session's close. Both features divide
by the market value: the raw close × the share count on the basis of that day. Adjusted closes would be wrong twice: a
dividend changes them and not the company's book, and a later split changes them and not the count as it was filed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from investlab.core.errors import InvalidInput
from investlab.features.windows import Values
from investlab.market.panel import PricePanel
from investlab.schemas.market import PriceBasis

Fields = Mapping[str, Values]
"""Fields of a panel by name, each sessions × instruments."""


@dataclass(frozen=True, slots=True)
class FundamentalFeature:
    """A feature of a panel's raw closes and figures at one session: it looks at no session before it.

    `compute` maps the close and the figures in `metrics` to values of their shape, NaN = unknown.
    """

    name: str
    metrics: tuple[str, ...]
    description: str
    compute: Callable[[Fields], Values]
    lookback_sessions: int = 0

    def values(self, panel: PricePanel) -> Values:
        """Return the feature at every session.

        Raises:
            InvalidInput: The panel lacks a figure, or its prices are not those traded.
        """
        missing = [name for name in self.metrics if name not in panel.fields]
        if missing:
            raise InvalidInput(
                f"The feature {self.name} needs {' and '.join(missing)}, which this panel does not hold.",
                remedy=f"Add them: lab.fundamentals(panel, {list(self.metrics)}).",
            )
        if panel.basis is not PriceBasis.RAW:
            raise InvalidInput(
                f"The feature {self.name} needs prices as traded; those of this panel are {panel.basis}.",
                remedy="Use a dataset with raw prices, and adjust='none'.",
            )
        return self.compute({name: panel.values(name) for name in ("close", *self.metrics)})


def book_to_price(fields: Fields) -> Values:
    """Book equity over market value (Fama and French, Journal of Finance 47(2), 1992)."""
    return fields["book_equity"] / market_value(fields)


def earnings_yield(fields: Fields) -> Values:
    """Net income of the last twelve months over market value (Basu, Journal of Finance 32(3), 1977)."""
    return fields["net_income_ttm"] / market_value(fields)


def market_value(fields: Fields) -> Values:
    """Return shares outstanding × raw close."""
    value: Values = fields["shares_outstanding"] * fields["close"]
    return value


def _feature(compute: Callable[[Fields], Values], metric: str) -> FundamentalFeature:
    return FundamentalFeature(
        compute.__name__, (metric, "shares_outstanding"), (compute.__doc__ or "").partition("\n")[0], compute
    )


FUNDAMENTAL_FEATURES: dict[str, FundamentalFeature] = {
    each.name: each for each in (_feature(book_to_price, "book_equity"), _feature(earnings_yield, "net_income_ttm"))
}
"""Every such feature by name; they are no part of the features that a training takes unless told."""
