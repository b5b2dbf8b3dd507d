"""The true path of a synthetic company: its total return, its price before rounding, and its corporate actions."""

from dataclasses import dataclass, field

import numpy as np

from investlab.providers.synthetic_companies import Company, Role
from investlab.providers.synthetic_draws import Draws
from investlab.providers.synthetic_plan import Plan
from investlab.schemas.market import ActionKind

ANNOUNCED_BEFORE = 15
"""Sessions from the announcement of an action to its ex-date; its terms rest on the close of the announcement."""

OFFER_BEFORE = 40
OFFER_PREMIUM = 1.3
OFFER_JUMP = 0.28
QUIET_SHARE = 0.1
"""How much of its usual movement a company keeps once an offer for it is out."""

BOUGHT = frozenset({Role.BOUGHT_FOR_CASH, Role.BOUGHT_FOR_SHARES})
DECLINE_SESSIONS = 120
DECLINE = 0.02
NEWS_SCALE = 2.5
WORST_RETURN = -0.45
DEAR_PRICE, CHEAP_PRICE, LEAST_PAYING_PRICE = 160.0, 2.5, 4.0
SPLITS = (2, 3, 4, 5, 10)
SPLIT_TO = 90.0
REVERSE_SPLIT = 0.1
MEETINGS_A_YEAR = 4


@dataclass(frozen=True, slots=True)
class PlantedAction:
    """A corporate action: its ex-date and the close at which it was known as positions, and its value.

    `counterpart` is the number of the company whose shares are received, `ratio` how many of them per share held.
    """

    position: int
    known: int
    kind: ActionKind
    value: float
    counterpart: int | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A company's truth, one value for each session from its first to its last.

    `returns` are total returns; `close` is the price before rounding, so that it holds what the actions did to it;
    `movement` is how far it usually moves in a session. Sessions without trading are included.
    """

    company: Company
    returns: np.ndarray
    close: np.ndarray
    movement: np.ndarray
    actions: tuple[PlantedAction, ...]

    @property
    def total_return(self) -> np.ndarray:
        """Return the value of one unit put in before the first session, everything paid out put in again."""
        grown: np.ndarray = np.cumprod(1.0 + self.returns)
        return grown


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a company pays and hands out; drawn once for each."""

    dividend_yield: float
    stock_dividend: float
    handed_out: float
    recovery: float


def make_path(plan: Plan, number: int) -> Path:
    """Return the true path of a company; it depends on the plan and the number alone."""
    company = plan.companies[number]
    draws = Draws(plan.seed, plan.size.name, "path", number)
    returns, movement = _returns(plan, company, draws)
    terms = _Terms(
        dividend_yield=draws.between(0.01, 0.05) / plan.size.payments,
        stock_dividend=round(draws.between(1.02, 1.1), 2),
        handed_out=draws.between(0.1, 0.25),
        recovery=max(0.0, round(draws.between(-0.6, 0.6), 4)),
    )
    history = _History(plan, company, terms, company.price * np.cumprod(1.0 + returns))
    for meeting, position in enumerate(company.meetings):
        history.meet(meeting, position)
    return Path(company, returns, history.close, movement, (*history.actions, *_ending(history)))


def _returns(plan: Plan, company: Company, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Return the total return of each session, and how far the company itself usually moves in it."""
    climate, listed = plan.climate, slice(company.first, company.last + 1)
    sensitivity, load = draws.between(0.5, 1.5), draws.between(0.4, 1.2)
    drift, deviation = draws.between(0.0, 0.0005), draws.between(0.007, 0.019)
    movement = deviation * climate.scale[listed]
    common = sensitivity * climate.market[listed] + load * climate.sectors[company.sector, listed]
    if company.role in BOUGHT:
        movement[-OFFER_BEFORE:] *= QUIET_SHARE
        common[-OFFER_BEFORE:] *= QUIET_SHARE
    own = movement * draws.normal(len(movement))
    own[[position - company.first for position in company.meetings]] *= NEWS_SCALE
    if company.role in BOUGHT:
        own[-OFFER_BEFORE] += OFFER_JUMP
    elif company.role is Role.BANKRUPT:
        own[-DECLINE_SESSIONS:] -= DECLINE
    return np.maximum(common + drift + own, WORST_RETURN), movement


@dataclass(slots=True)
class _History:
    """A company's price as it comes about: each action changes it from its ex-date on."""

    plan: Plan
    company: Company
    terms: _Terms
    close: np.ndarray
    actions: list[PlantedAction] = field(default_factory=list)

    def meet(self, meeting: int, position: int) -> None:
        """Do at a position what the company's state and habits call for."""
        known = position - ANNOUNCED_BEFORE
        price = self.price_at(known)
        is_yearly = meeting % MEETINGS_A_YEAR == 0
        if position == self.company.pivot:
            self._hand_out(position, known, price)
        elif price >= DEAR_PRICE:
            ratio = next((ratio for ratio in SPLITS if price / ratio <= SPLIT_TO), SPLITS[-1])
            self._divide(position, known, ActionKind.SPLIT, float(ratio))
            price /= ratio
        elif price <= CHEAP_PRICE:
            self._divide(position, known, ActionKind.SPLIT, REVERSE_SPLIT)
            price /= REVERSE_SPLIT
        elif is_yearly and self.company.role is Role.PAYS_IN_SHARES:
            self._divide(position, known, ActionKind.STOCK_DIVIDEND, self.terms.stock_dividend)
        due = meeting % (MEETINGS_A_YEAR // self.plan.size.payments) == 0
        if self.company.pays and due and price >= LEAST_PAYING_PRICE and position != self.company.pivot:
            value = round(price * self.terms.dividend_yield, 4)
            self._pay(PlantedAction(position, known, ActionKind.DIVIDEND, value))

    def price_at(self, position: int) -> float:
        """Return the close of a position."""
        return float(self.close[position - self.company.first])

    def _hand_out(self, position: int, known: int, price: float) -> None:
        child = self.plan.companies[self.company.partner or 0]
        ratio = round(price * self.terms.handed_out / child.price, 4)
        value = round(ratio * child.price, 6)
        self._pay(PlantedAction(position, known, ActionKind.SPIN_OFF, value, child.number, ratio))

    def _divide(self, position: int, known: int, kind: ActionKind, ratio: float) -> None:
        self.close[position - self.company.first :] /= ratio
        self.actions.append(PlantedAction(position, known, kind, ratio))

    def _pay(self, action: PlantedAction) -> None:
        """Take a payment out of the price: what is left of the last close, in shares after any split of the day."""
        start = action.position - self.company.first
        earlier = [found.value for found in self.actions if found.position == action.position]
        before = float(self.close[start - 1]) / (earlier[0] if earlier else 1.0)
        self.close[start:] *= 1.0 - action.value / before
        self.actions.append(action)


def _ending(history: _History) -> tuple[PlantedAction, ...]:
    """Return what the holders of a company got when it ended, on the session after its last."""
    company = history.company
    ex, known = company.last + 1, company.last - OFFER_BEFORE
    if company.role is Role.BANKRUPT:
        value = round(history.terms.recovery - 1.0, 4)
        return (PlantedAction(ex, company.last, ActionKind.DELISTING, value),)
    if company.role not in BOUGHT:
        return ()
    offer = round(history.price_at(known) * OFFER_PREMIUM, 2)
    if company.role is Role.BOUGHT_FOR_CASH:
        return (PlantedAction(ex, known, ActionKind.MERGER, offer),)
    buyer = make_path(history.plan, company.partner or 0)
    price = float(buyer.close[known - buyer.company.first])
    for action in buyer.actions:
        if action.kind in (ActionKind.SPLIT, ActionKind.STOCK_DIVIDEND) and known < action.position <= ex:
            price /= action.value
    return (PlantedAction(ex, known, ActionKind.MERGER, 0.0, company.partner, round(offer / price, 4)),)
