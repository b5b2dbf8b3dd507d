"""Provider `synthetic`: made-up markets for tests and measurements, the same to the bit for the same seed."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from investlab.core.config import Settings
from investlab.core.errors import NotFound
from investlab.market.calendars import close_times
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.providers.synthetic_bars import FIELDS, make_bars
from investlab.providers.synthetic_climate import SECTORS
from investlab.providers.synthetic_companies import Company, MarketSize
from investlab.providers.synthetic_names import company_name
from investlab.providers.synthetic_paths import PlantedAction, make_path
from investlab.providers.synthetic_plan import CALENDAR, Plan, make_plan
from investlab.schemas.catalog import (
    ActionDraft,
    DatasetDescription,
    IdentifierDraft,
    IdentifierScheme,
    InstrumentDraft,
)
from investlab.schemas.market import PriceBasis

SEED = 20_040_229
PART_COMPANIES = 500
SIZES = (
    MarketSize("synthetic-market", "SYNX", 2, 6000, date(2000, 1, 1), date(2019, 12, 31), payers=0.25, payments=1),
    MarketSize("synthetic-medium", "SYNM", 1, 600, date(2010, 1, 1), date(2019, 12, 31), payers=0.4, payments=2),
    MarketSize("synthetic-small", "SYN", 0, 36, date(2014, 1, 1), date(2019, 12, 31), payers=0.6, payments=4),
)


def synthetic_provider(_: Settings) -> "SyntheticProvider":
    """Return the provider, which needs no settings."""
    return SyntheticProvider()


class SyntheticProvider:
    """Made-up markets with regimes, sectors, corporate actions, renames, reused symbols, delistings and gaps."""

    name = "synthetic"

    def __init__(self, seed: int = SEED, sizes: Sequence[MarketSize] = SIZES) -> None:
        self.seed = seed
        self._sizes = {size.name: size for size in sizes}

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the datasets on offer, ordered by name."""
        return [self._description(self._sizes[name]) for name in sorted(self._sizes)]

    def plan(self, dataset: str) -> Plan:
        """Return the truth that a dataset is made from.

        Raises:
            NotFound: The dataset is not on offer; near matches are named.
        """
        if dataset not in self._sizes:
            raise NotFound.named("dataset", dataset, self._sizes, remedy="`investlab data providers` lists them.")
        return make_plan(self._sizes[dataset], self.seed)

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the delivery of a dataset's bars, in parts of whole instruments ordered by symbol.

        Raises:
            NotFound: The dataset or a symbol is not on offer; near matches are named.
        """
        plan = self.plan(request.dataset)
        first, last = _period(plan, request)
        companies = _chosen(plan, request, first, last)
        edges = range(0, len(companies), PART_COMPANIES)
        parts = {f"part-{number:04d}": start for number, start in enumerate(edges)}

        def read(part: str) -> pd.DataFrame:
            if part not in parts:
                raise NotFound.named("part", part, parts)
            return make_bars(plan, companies[parts[part] : parts[part] + PART_COMPANIES], first, last)

        return Delivery(
            self._description(plan.size),
            tuple(_instrument(plan, company) for company in companies),
            tuple(parts),
            read,
            actions=_actions(plan, companies, first, last),
        )

    def _description(self, size: MarketSize) -> DatasetDescription:
        return DatasetDescription(
            name=size.name,
            title=f"Synthetic: {size.places:,} made-up companies listed at a time, daily raw OHLCV, "
            f"{size.first.year}–{size.last.year}",
            provider=self.name,
            currency="USD",
            calendar=CALENDAR,
            price_basis=PriceBasis.RAW,
            fields=FIELDS,
            source=f"synthetic, made up with seed {self.seed}",
            licence="made by investlab, free to use",
            biases=(
                "synthetic: no company, price or action is real, and nothing learned from it holds for any market",
                "returns follow a market, a sector and chance alone: no feature predicts them",
            ),
            synthetic=True,
        )


def _day(plan: Plan, position: int) -> date:
    day: date = plan.sessions[position].item()
    return day


def _period(plan: Plan, request: FetchRequest) -> tuple[int, int]:
    """Return the first and the last position asked for; none when the first is larger."""
    sessions = plan.sessions
    first = 0 if request.start is None else int(np.searchsorted(sessions, np.datetime64(request.start, "D")))
    last = len(sessions) if request.end is None else np.searchsorted(sessions, np.datetime64(request.end, "D"), "right")
    return first, int(last) - 1


def _chosen(plan: Plan, request: FetchRequest, first: int, last: int) -> list[Company]:
    """Return the companies asked for that are listed in the period, ordered by symbol."""
    by_symbol = {company.symbol: company for company in plan.companies}
    for symbol in request.symbols or ():
        if symbol not in by_symbol:
            raise NotFound.named("symbol", symbol, by_symbol, remedy=f"Dataset {request.dataset} has no such symbol.")
    wanted = by_symbol if request.symbols is None else set(request.symbols)
    found = [by_symbol[symbol] for symbol in sorted(wanted)]
    return [company for company in found if company.first <= last and company.last >= first]


def _instrument(plan: Plan, company: Company) -> InstrumentDraft:
    *former, (symbol, since) = company.symbols
    starts = [_day(plan, position) for _, position in company.symbols]
    return InstrumentDraft(
        symbol=symbol,
        venue=company.venue,
        name=company_name(plan.size.series, company.number),
        valid_from=_day(plan, since),
        source=SyntheticProvider.name,
        sector=SECTORS[company.sector],
        symbol_until=_day(plan, company.last + 1) if company.last + 1 < len(plan.sessions) else None,
        identifiers=tuple(
            IdentifierDraft(scheme=IdentifierScheme.SYMBOL, value=old, valid_from=start, valid_to=end)
            for (old, _), start, end in zip(former, starts[:-1], starts[1:], strict=True)
        ),
    )


def _actions(plan: Plan, companies: Sequence[Company], first: int, last: int) -> tuple[ActionDraft, ...]:
    """Return the actions with their ex-dates in the period, known at the close at which they were announced."""
    closes = close_times(CALENDAR, plan.sessions).to_pydatetime()

    def draft(company: Company, action: PlantedAction) -> ActionDraft:
        return ActionDraft(
            symbol=company.symbol,
            kind=action.kind,
            ex_date=_day(plan, action.position),
            value=action.value,
            known_at=closes[action.known],
            counterpart_symbol=None if action.counterpart is None else plan.companies[action.counterpart].symbol,
            counterpart_ratio=action.ratio,
        )

    return tuple(
        draft(company, action)
        for company in companies
        for action in make_path(plan, company.number).actions
        if first <= action.position <= last
    )
