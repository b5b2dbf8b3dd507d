"""Provider `synthetic`: the same bits for the same seed, labelled, and its planted truth found again in its bars."""

from collections import Counter
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from investlab.core.errors import NotFound
from investlab.core.hashing import hash_arrays
from investlab.market.actions import LISTING_ENDS
from investlab.market.adjustment import adjust_panel
from investlab.market.calendars import close_times, sessions_between
from investlab.market.panel import PricePanel
from investlab.market.quality import check_bars
from investlab.market.quality_settings import Known
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.providers.synthetic import SIZES, SyntheticProvider
from investlab.providers.synthetic_bars import FIELDS
from investlab.providers.synthetic_companies import Company, MarketSize, Role
from investlab.providers.synthetic_paths import Path, make_path
from investlab.providers.synthetic_plan import Plan
from investlab.schemas.catalog import ActionDraft, InstrumentDraft
from investlab.schemas.market import ActionKind, Adjust
from tests.support.provider_conformance import ProviderConformance, read_all

SMALL = "synthetic-small"
HALF_A_CENT = 0.005
TINY = MarketSize("tiny", "TINY", 3, 30, date(2018, 1, 1), date(2020, 12, 31), payers=0.5, payments=4)


@pytest.fixture(scope="module")
def delivery() -> Delivery:
    return SyntheticProvider().fetch(FetchRequest(SMALL))


@pytest.fixture(scope="module")
def bars(delivery: Delivery) -> pd.DataFrame:
    return read_all(delivery)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return SyntheticProvider().plan(SMALL)


class TestSyntheticProvider(ProviderConformance):
    dataset = SMALL

    def make(self) -> SyntheticProvider:
        return SyntheticProvider()


def hash_bars(bars: pd.DataFrame) -> str:
    symbols = [("symbols", np.frombuffer("|".join(bars["symbol"].astype(str)).encode(), np.uint8))]
    days = [("session", bars["session"].to_numpy("datetime64[D]").astype(np.int64))]
    return hash_arrays([*symbols, *days, *((name, bars[name].to_numpy()) for name in FIELDS)])


def draft_of(delivery: Delivery, company: Company) -> InstrumentDraft:
    return next(draft for draft in delivery.instruments if draft.symbol == company.symbol)


def with_role(plan: Plan, role: Role) -> list[Company]:
    return [company for company in plan.companies if company.role is role]


def test_the_small_market_is_the_same_bits_on_every_machine(bars: pd.DataFrame) -> None:
    """Whoever changes what is made up changes this hash, knowingly."""
    assert hash_bars(bars) == "f721349b726c6f289af7230fd7473f244c57e4c3f0955983ddbe1618c669c15a"


def test_another_seed_gives_another_market(bars: pd.DataFrame) -> None:
    other = read_all(SyntheticProvider(seed=1).fetch(FetchRequest(SMALL)))
    assert hash_bars(other) != hash_bars(bars)


def test_parts_are_the_same_in_any_order_and_alone(monkeypatch: pytest.MonkeyPatch, bars: pd.DataFrame) -> None:
    monkeypatch.setattr("investlab.providers.synthetic.PART_COMPANIES", 7)
    delivery = SyntheticProvider().fetch(FetchRequest(SMALL))
    assert len(delivery.parts) == 6
    backward = {part: delivery.read(part) for part in reversed(delivery.parts)}
    assert hash_bars(pd.concat([backward[part] for part in delivery.parts], ignore_index=True)) == hash_bars(bars)
    chosen = SyntheticProvider().fetch(FetchRequest(SMALL, ("SYN0005", "SYN0002")))
    alone = read_all(chosen)
    pd.testing.assert_frame_equal(alone, bars[bars["symbol"].isin(["SYN0002", "SYN0005"])].reset_index(drop=True))


def test_a_period_is_the_cut_of_the_whole(bars: pd.DataFrame, delivery: Delivery) -> None:
    start, end = date(2016, 3, 1), date(2017, 2, 28)
    cut = SyntheticProvider().fetch(FetchRequest(SMALL, start=start, end=end))
    inside = bars["session"].between(pd.Timestamp(start), pd.Timestamp(end))
    pd.testing.assert_frame_equal(read_all(cut), bars[inside].reset_index(drop=True))
    assert cut.actions == tuple(action for action in delivery.actions if start <= action.ex_date <= end)
    assert {draft.symbol for draft in cut.instruments} == set(bars["symbol"][inside])


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_a_dataset_is_labelled_synthetic(size: MarketSize) -> None:
    (description,) = (found for found in SyntheticProvider().datasets() if found.name == size.name)
    assert description.synthetic
    assert description.title.startswith("Synthetic")
    assert "synthetic" in description.source
    assert description.price_basis == "raw"


def test_every_company_says_that_it_is_synthetic(delivery: Delivery) -> None:
    assert all(draft.name.endswith("(synthetic)") for draft in delivery.instruments)
    words = [draft.symbol for draft in delivery.instruments if not draft.symbol.startswith("SYN")]
    assert words
    assert all(len(word) == 6 for word in words)


def test_markets_share_no_symbol() -> None:
    provider = SyntheticProvider()
    names = [
        {symbol for company in provider.plan(size.name).companies for symbol, _ in company.symbols} for size in SIZES
    ]
    assert not (names[0] & names[1] | names[0] & names[2] | names[1] & names[2])


def test_the_small_market_has_forty_instruments_over_six_years(delivery: Delivery, bars: pd.DataFrame) -> None:
    assert len(delivery.instruments) == 40
    assert set(bars["symbol"]) == {draft.symbol for draft in delivery.instruments}
    assert (bars["session"].min().year, bars["session"].max().year) == (2014, 2019)


def test_bars_are_ordered_in_cents_and_possible(bars: pd.DataFrame) -> None:
    assert bars[["symbol", "session"]].equals(bars[["symbol", "session"]].sort_values(["symbol", "session"]))
    prices = bars[["open", "high", "low", "close"]]
    assert (prices == (prices * 100).round() / 100).all(axis=None)
    assert (prices > 0.01).all(axis=None)
    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()
    assert (bars["volume"] == bars["volume"].round()).all()
    assert (bars["volume"] > 0).all()


def test_quality_checks_find_the_planted_gaps_and_nothing_else(
    delivery: Delivery, bars: pd.DataFrame, plan: Plan
) -> None:
    days = sessions_between("XNYS", bars["session"].min().date(), bars["session"].max().date())
    told = pd.DataFrame(
        {"symbol": [a.symbol for a in delivery.actions], "ex_date": [a.ex_date for a in delivery.actions]}
    )
    report = check_bars(bars, days, known=Known(actions=told)).report
    planted = sum(end - start for company in plan.companies for start, end in company.halts)
    assert {finding.check: finding.count for finding in report.findings} == {"missing_sessions": planted}
    assert planted > 0


def test_each_kind_of_action_is_planted_and_told(delivery: Delivery, plan: Plan) -> None:
    told = Counter(action.kind for action in delivery.actions)
    planted = Counter(action.kind for company in plan.companies for action in make_path(plan, company.number).actions)
    assert told == planted
    assert set(told) == set(ActionKind)
    ratios = [action.value for action in delivery.actions if action.kind is ActionKind.SPLIT]
    assert min(ratios) < 1 < max(ratios)


def test_an_action_is_known_at_a_close_before_its_ex_date(delivery: Delivery, plan: Plan) -> None:
    closes = set(close_times("XNYS", plan.sessions))
    for action in delivery.actions:
        assert action.known_at in closes
        assert action.known_at.date() < action.ex_date


def grow(close: np.ndarray, actions: list[ActionDraft], sessions: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the total return that raw closes and actions give, and how far half a cent may move it."""
    growth = np.append(1.0, close[1:] / close[:-1])
    error = HALF_A_CENT / close[0]
    for day in sorted({action.ex_date for action in actions}):
        place = int(np.searchsorted(sessions, np.datetime64(day)))
        if place >= len(close):
            continue
        before = close[place - 1]
        for action in (action for action in actions if action.ex_date == day):
            if action.kind in (ActionKind.SPLIT, ActionKind.STOCK_DIVIDEND):
                growth[place] *= action.value
                before /= action.value
        for action in (action for action in actions if action.ex_date == day):
            if action.kind in (ActionKind.DIVIDEND, ActionKind.SPIN_OFF):
                growth[place] /= 1.0 - action.value / before
                error += 1.5 * action.value / before * HALF_A_CENT / close[place - 1]
    return np.cumprod(growth), error


def test_raw_closes_and_actions_give_the_true_total_return_within_the_rounding(
    delivery: Delivery, bars: pd.DataFrame, plan: Plan
) -> None:
    by_symbol = dict(list(bars.groupby("symbol")))
    for company in plan.companies:
        path, own = make_path(plan, company.number), by_symbol[company.symbol]
        actions = [action for action in delivery.actions if action.symbol == company.symbol]
        sessions, close = own["session"].to_numpy("datetime64[D]"), own["close"].to_numpy()
        found, error = grow(close, actions, sessions)
        places = np.searchsorted(plan.sessions, sessions) - company.first
        true = path.total_return[places] / path.total_return[0]
        assert (np.abs(found / true - 1.0) <= error + 1.1 * HALF_A_CENT / close).all(), company


def test_the_platforms_own_adjustment_gives_the_true_total_return(
    delivery: Delivery, bars: pd.DataFrame, plan: Plan
) -> None:
    closes = bars.pivot(index="session", columns="symbol", values="close")
    told = [(a.ex_date, a.symbol, a.kind.value, a.value) for a in delivery.actions if a.kind not in LISTING_ENDS]
    actions = pd.DataFrame(told, columns=["ex_date", "symbol", "kind", "value"])
    adjusted = adjust_panel(PricePanel.from_frames(close=closes, basis="raw", actions=actions), Adjust.ALL).close
    for company in plan.companies:
        found = adjusted[company.symbol].dropna()
        places = np.searchsorted(plan.sessions, found.index.to_numpy("datetime64[D]")) - company.first
        true = make_path(plan, company.number).total_return[places]
        drift = (found / true).to_numpy()
        assert np.ptp(drift) / drift[0] < 0.02, company


def test_leaving_an_action_out_is_seen(delivery: Delivery, bars: pd.DataFrame, plan: Plan) -> None:
    company = with_role(plan, Role.DEAR)[0]
    own = bars[bars["symbol"] == company.symbol]
    actions = [a for a in delivery.actions if a.symbol == company.symbol and a.kind is not ActionKind.SPLIT]
    found, error = grow(own["close"].to_numpy(), actions, own["session"].to_numpy("datetime64[D]"))
    true = make_path(plan, company.number).total_return
    assert abs(found[-1] / (true[-1] / true[0]) - 1.0) > 10 * (error + HALF_A_CENT)


def test_a_bankrupt_companys_symbol_is_later_borne_by_another(delivery: Delivery, plan: Plan) -> None:
    (bankrupt,) = with_role(plan, Role.BANKRUPT)
    symbol = bankrupt.symbols[0][0]
    old, new = draft_of(delivery, bankrupt), next(d for d in delivery.instruments if d.symbol == symbol)
    assert old.symbol == f"{symbol}Q"
    (former,) = old.identifiers
    assert (former.value, former.valid_to) == (symbol, old.valid_from)
    assert new.valid_from >= old.symbol_until > former.valid_to
    assert new.venue == old.venue
    (ending,) = (action for action in delivery.actions if action.kind is ActionKind.DELISTING)
    assert (ending.symbol, ending.ex_date) == (old.symbol, old.symbol_until)


def test_a_renamed_company_keeps_its_former_symbol_with_its_dates(delivery: Delivery, plan: Plan) -> None:
    for company in with_role(plan, Role.RENAMED):
        draft = draft_of(delivery, company)
        (former,) = draft.identifiers
        assert (former.value, former.valid_from) == (company.symbols[0][0], plan.sessions[0].item())
        assert former.valid_to == draft.valid_from
        assert draft.symbol_until is None


def test_no_symbol_is_borne_by_two_at_once(delivery: Delivery) -> None:
    periods: dict[tuple[str, str], list[tuple[date, date]]] = {}
    for draft in delivery.instruments:
        names = [(draft.symbol, draft.valid_from, draft.symbol_until)]
        names += [(item.value, item.valid_from, item.valid_to) for item in draft.identifiers]
        for value, start, end in names:
            periods.setdefault((draft.venue, value), []).append((start, end or date.max))
    assert any(len(spans) > 1 for spans in periods.values())
    for spans in periods.values():
        ordered = sorted(spans)
        assert all(end <= following[0] for (_, end), following in pairwise(ordered))


def test_a_spin_off_hands_out_what_the_child_is_worth(delivery: Delivery, plan: Plan) -> None:
    (parent,) = with_role(plan, Role.PARENT)
    child = plan.companies[parent.partner or 0]
    (action,) = (found for found in delivery.actions if found.kind is ActionKind.SPIN_OFF)
    assert (action.symbol, action.counterpart_symbol) == (parent.symbol, child.symbol)
    assert action.ex_date == plan.sessions[child.first].item()
    assert action.value == pytest.approx(action.counterpart_ratio * child.price)


def last_close(path: Path) -> float:
    return float(path.close[-1])


def test_a_merger_pays_about_the_last_close(delivery: Delivery, plan: Plan) -> None:
    mergers = {action.symbol: action for action in delivery.actions if action.kind is ActionKind.MERGER}
    (cash,), (shares,) = with_role(plan, Role.BOUGHT_FOR_CASH), with_role(plan, Role.BOUGHT_FOR_SHARES)
    offer = mergers[cash.symbol].value
    assert offer == pytest.approx(last_close(make_path(plan, cash.number)), rel=0.1)
    swap, buyer = mergers[shares.symbol], plan.companies[shares.partner or 0]
    assert (swap.value, swap.counterpart_symbol) == (0.0, buyer.symbol)
    worth = swap.counterpart_ratio * make_path(plan, buyer.number).close[shares.last - buyer.first]
    assert worth == pytest.approx(last_close(make_path(plan, shares.number)), rel=0.25)


def test_turbulent_times_are_wider_for_the_market_and_for_its_companies(bars: pd.DataFrame, plan: Plan) -> None:
    turbulent = plan.climate.turbulent
    assert 0.05 < turbulent.mean() < 0.5
    assert plan.climate.market[turbulent].std() > 1.5 * plan.climate.market[~turbulent].std()
    returns = bars.pivot(index="session", columns="symbol", values="close").pct_change(fill_method=None).median(axis=1)
    assert returns[turbulent].std() > 1.5 * returns[~turbulent].std()


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        pytest.param(FetchRequest("synthetic-smal"), "dataset", id="dataset"),
        pytest.param(FetchRequest(SMALL, ("SYN001",)), "symbol", id="symbol"),
    ],
)
def test_an_unknown_name_gets_near_matches(request_: FetchRequest, kind: str) -> None:
    with pytest.raises(NotFound, match=f"Unknown {kind}.*Did you mean") as caught:
        SyntheticProvider().fetch(request_)
    assert caught.value.details["near"]


@pytest.mark.parametrize("seed", range(4))
def test_other_markets_hold_the_same_promises(seed: int) -> None:
    provider = SyntheticProvider(seed, (TINY,))
    made = read_all(provider.fetch(FetchRequest("tiny")))
    days = sessions_between("XNYS", made["session"].min().date(), made["session"].max().date())
    report = check_bars(made, days).report
    assert report.is_acceptable
    assert report.quarantined == 0
    assert len(made) == sum(company.bars for company in provider.plan("tiny").companies)
