"""Running a strategy on attacked panels and comparing what it decides."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from investlab.backtest.decisions import DecisionRule, Decisions, Difference, decide, first_difference
from investlab.backtest.lookahead_attacks import EVERY_ATTACK, Attack
from investlab.backtest.lookahead_report import FAILURES_KEPT, FailedAttack
from investlab.market.panel import PricePanel

_NUMBERS = {attack.name: number for number, attack in enumerate(EVERY_ATTACK)}


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A panel that is attacked, with what the strategy decides on it; `remark` says how it differs from the given."""

    panel: PricePanel
    wanted: Decisions
    remark: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A decision of a base that an attack after session number `cut` changed although it lies at or before the cut."""

    base: Base
    attack: Attack
    cut: int
    difference: Difference

    @property
    def row(self) -> int:
        """Return the number of the wrong session."""
        return self.difference.row


@dataclass(slots=True)
class Runs:
    """The runs of one audit: it draws seeded attacks, counts them, and keeps errors apart from leaks."""

    rule: DecisionRule
    seed: int
    attacks: int = 0
    compared: int = 0
    failed: int = 0
    failures: list[FailedAttack] = field(default_factory=list)
    cuts: set[int] = field(default_factory=set)

    def attack(self, base: Base, attack: Attack, cut: int) -> Hit | None:
        """Return the first decision up to the cut that the attack changes, None if there is none or it failed."""
        rng = np.random.default_rng([self.seed, cut, _NUMBERS.get(attack.name, len(_NUMBERS))])
        other = attack.apply(base.panel, cut, rng)
        if other is None or other.id == base.panel.id:
            return None
        found = self.run(other, attack, base.panel.sessions[cut].item())
        if found is None:
            return None
        self.compared += 1
        self.cuts.add(cut)
        difference = first_difference(base.wanted, found, cut + 1)
        return None if difference is None else Hit(base, attack, cut, difference)

    def run(self, panel: PricePanel, attack: Attack, until: date) -> Decisions | None:
        """Return the decisions on an attacked panel, None when the strategy raises an error there, which is kept."""
        self.attacks += 1
        try:
            with np.errstate(all="ignore"):
                return decide(self.rule, panel)
        except Exception as error:  # noqa: BLE001  (a user's code on a damaged panel may raise anything)
            self.failed += 1
            if len(self.failures) < FAILURES_KEPT:
                text = f"{type(error).__name__}: {error}"[:200]
                self.failures.append(FailedAttack(attack.name, until, text))
            return None

    def first_hit(self, base: Base, attacks: Iterable[Attack], cuts: Iterable[int]) -> Hit | None:
        """Return the hit of the first attack that has one, trying every attack at each cut in order."""
        given = list(attacks)
        for cut in cuts:
            for attack in given:
                hit = self.attack(base, attack, cut)
                if hit is not None:
                    return hit
        return None
