"""The plan of a synthetic market: its companies, what befalls each and when, and what moves them all."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from investlab.market.calendars import sessions_between
from investlab.providers.synthetic_climate import SECTORS, Climate, make_climate
from investlab.providers.synthetic_companies import Company, MarketSize, Role
from investlab.providers.synthetic_draws import Draws
from investlab.providers.synthetic_names import company_word

CALENDAR = "XNYS"
SHARES = {
    Role.BANKRUPT: 0.03,
    Role.BOUGHT_FOR_CASH: 0.03,
    Role.BOUGHT_FOR_SHARES: 0.02,
    Role.PARENT: 0.01,
    Role.RENAMED: 0.04,
    Role.DEAR: 0.04,
    Role.CHEAP: 0.03,
    Role.PAYS_IN_SHARES: 0.02,
    Role.HALTED: 0.04,
}
ENDING = frozenset({Role.BANKRUPT, Role.BOUGHT_FOR_CASH, Role.BOUGHT_FOR_SHARES})
PRICES = {Role.DEAR: (200.0, 420.0), Role.CHEAP: (1.5, 2.3)}
USUAL_PRICE = (15.0, 90.0)
CHILD_PRICE = (15.0, 35.0)
DISTRESS_SESSIONS = 12
"""A bankrupt company's symbol gets a Q for its last sessions, and the one it had is free."""

VACANT_SESSIONS = (20, 120)
HALTS = (1, 3)
HALT_SESSIONS = (1, 15)
HALT_AFTER_MEETING = 15


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A market before any price of its own: companies by number, sessions, and what moves them all."""

    size: MarketSize
    seed: int
    sessions: np.ndarray
    companies: tuple[Company, ...]
    climate: Climate


@lru_cache(maxsize=2)
def make_plan(size: MarketSize, seed: int) -> Plan:
    """Return the plan of a market; the same size and seed give the same plan."""
    sessions = sessions_between(CALENDAR, size.first, size.last)
    draws = Draws(seed, size.name, "plan")
    order = draws.shuffled(size.places)
    roles = _roles(order)
    payers = set(draws.shuffled(size.places)[: round(size.payers * size.places)])
    buyers = [place for place in order if roles[place] is Role.ORDINARY]
    companies: list[Company] = []
    for place in range(size.places):
        own = Draws(seed, size.name, "company", place)
        founded = _founded(size, place, roles[place], own, last=len(sessions) - 1)
        companies.append(_fated(size, replace(founded, pays=place in payers), buyers, own))
    for company in companies[: size.places]:
        number = len(companies)
        own = Draws(seed, size.name, "company", number)
        if company.role in ENDING:
            companies.append(_successor(size, number, company, own, last=len(sessions) - 1))
        elif company.role is Role.PARENT:
            companies[company.number] = replace(company, partner=number)
            companies.append(_child(size, number, company, own, last=len(sessions) - 1))
    return Plan(size, seed, sessions, tuple(companies), make_climate(seed, size.name, len(sessions)))


def _roles(order: list[int]) -> dict[int, Role]:
    roles = dict.fromkeys(order, Role.ORDINARY)
    free = iter(order)
    for role, share in SHARES.items():
        for _ in range(max(1, round(share * len(order)))):
            roles[next(free)] = role
    return roles


def _founded(size: MarketSize, number: int, role: Role, own: Draws, *, last: int) -> Company:
    """Return a company that is listed throughout."""
    return Company(
        number=number,
        role=role,
        first=0,
        last=last,
        symbols=((size.symbol(number), 0),),
        venue="XNAS" if own.between(0, 1) < 0.4 else "XNYS",
        sector=own.whole(0, len(SECTORS) - 1),
        price=own.between(*PRICES.get(role, USUAL_PRICE)),
        pays=False,
    )


def _fated(size: MarketSize, company: Company, buyers: list[int], own: Draws) -> Company:
    """Return a company with the end, the names and the halts that its role gives it."""
    symbol = company.symbol
    if company.role in ENDING:
        last = own.whole(company.last * 3 // 10, company.last * 8 // 10)
        if company.role is Role.BANKRUPT:
            return replace(company, last=last, symbols=((symbol, 0), (f"{symbol}Q", last + 1 - DISTRESS_SESSIONS)))
        return replace(company, last=last, partner=buyers[own.whole(0, len(buyers) - 1)])
    if company.role is Role.RENAMED:
        return _renamed(size, company, own)
    if company.role is Role.PARENT:
        return replace(company, pivot=company.meetings[own.whole(2, len(company.meetings) * 3 // 4)])
    if company.role is Role.HALTED:
        return replace(company, halts=_halts(company, own))
    return company


def _renamed(size: MarketSize, company: Company, own: Draws) -> Company:
    life = company.last - company.first
    when = company.first + own.whole(life * 3 // 10, life * 7 // 10)
    return replace(company, symbols=(*company.symbols, (company_word(size.series, company.number), when)))


def _halts(company: Company, own: Draws) -> tuple[tuple[int, int], ...]:
    """Return halts that lie between meetings, so that no action falls into one."""
    meetings = company.meetings
    number = min(own.whole(*HALTS), len(meetings))
    chosen = sorted(own.shuffled(len(meetings))[:number])
    starts = [meetings[place] + HALT_AFTER_MEETING for place in chosen]
    return tuple((start, start + own.whole(*HALT_SESSIONS)) for start in starts)


def _successor(size: MarketSize, number: int, ended: Company, own: Draws, *, last: int) -> Company:
    """Return the company that takes the place of one that ended.

    That of a bankrupt one also takes its symbol, and so does that of one bought for cash, which is renamed later.
    """
    first = ended.last + own.whole(*VACANT_SESSIONS)
    founded = _founded(size, number, Role.ORDINARY, own, last=last)
    symbol = size.symbol(number) if ended.role is Role.BOUGHT_FOR_SHARES else ended.symbols[0][0]
    company = replace(
        founded, first=first, symbols=((symbol, first),), venue=ended.venue, sector=ended.sector, pays=ended.pays
    )
    return _renamed(size, company, own) if ended.role is Role.BOUGHT_FOR_CASH else company


def _child(size: MarketSize, number: int, parent: Company, own: Draws, *, last: int) -> Company:
    first = parent.pivot or 0
    founded = _founded(size, number, Role.ORDINARY, own, last=last)
    return replace(
        founded,
        first=first,
        symbols=((size.symbol(number), first),),
        venue=parent.venue,
        sector=parent.sector,
        price=round(own.between(*CHILD_PRICE), 2),
    )
