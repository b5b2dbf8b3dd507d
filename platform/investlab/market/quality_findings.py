"""From the places of defects to findings: counts by instrument and period, and examples."""

from dataclasses import dataclass

import numpy as np

from investlab.market.quality_table import BarArrays
from investlab.schemas.quality import MAX_SYMBOLS, Finding, Severity, Tally

EXAMPLES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Defects:
    """Where defects are: instrument codes with days since 1970-01-01, and how many bars each stands for."""

    codes: np.ndarray
    days: np.ndarray
    counts: np.ndarray

    @staticmethod
    def at(bars: BarArrays, places: np.ndarray) -> "Defects":
        """Return the defects at places (a mask or indices) of bars, one bar each."""
        codes = bars.codes[places]
        return Defects(codes, bars.days[places], np.ones(len(codes), dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check is called, how grave it is, and what it says."""

    check: str
    severity: Severity
    sentence: str


@dataclass(frozen=True, slots=True)
class Counting:
    """How findings are counted: the instruments' symbols, and whether by year or by month."""

    symbols: np.ndarray
    by_year: bool

    def finding(self, verdict: Verdict, defects: Defects, examples: tuple[str, ...]) -> Finding:
        """Return defects as a finding."""
        periods, labels = self._periods(defects.days)
        by_period = np.bincount(periods, weights=defects.counts, minlength=len(labels)).astype(np.int64)
        by_symbol = np.bincount(defects.codes, weights=defects.counts).astype(np.int64)
        return Finding(
            check=verdict.check,
            severity=verdict.severity,
            count=int(by_symbol.sum()),
            sentence=verdict.sentence,
            examples=examples,
            instruments=int(np.count_nonzero(by_symbol)),
            by_period={label: int(number) for label, number in zip(labels, by_period, strict=True) if number},
            tallies=self._tallies(defects, periods, labels, by_symbol),
        )

    def _periods(self, days: np.ndarray) -> tuple[np.ndarray, list[str]]:
        unit = "Y" if self.by_year else "M"
        units = days.astype("datetime64[D]").astype(f"datetime64[{unit}]").astype(np.int64)
        first = int(units.min())
        labels = np.arange(first, int(units.max()) + 1).astype(f"datetime64[{unit}]").astype(str)
        return units - first, labels.tolist()

    def _tallies(
        self, defects: Defects, periods: np.ndarray, labels: list[str], by_symbol: np.ndarray
    ) -> tuple[Tally, ...]:
        """Return the counts of the instruments hit most, by instrument and period."""
        heaviest = np.argsort(-by_symbol, kind="stable")[:MAX_SYMBOLS]
        slots = np.full(len(by_symbol), -1)
        slots[heaviest] = np.arange(len(heaviest))
        chosen = slots[defects.codes] >= 0
        cells = slots[defects.codes[chosen]] * len(labels) + periods[chosen]
        numbers = np.bincount(cells, weights=defects.counts[chosen], minlength=len(heaviest) * len(labels))
        found = [
            Tally(
                symbol=str(self.symbols[heaviest[cell // len(labels)]]), period=labels[cell % len(labels)], count=number
            )
            for cell, number in enumerate(numbers.astype(np.int64).tolist())
            if number
        ]
        return tuple(sorted(found, key=lambda tally: (tally.symbol, tally.period)))


def named(bars: BarArrays, places: np.ndarray) -> tuple[str, ...]:
    """Return the first bars at places (a mask or indices) as `symbol session`."""
    first = (np.flatnonzero(places) if places.dtype == bool else places)[:EXAMPLES]
    return tuple(f"{bars.symbols[bars.codes[place]]} {day_text(bars.days[place])}" for place in first)


def day_text(day: int) -> str:
    """Return a day since 1970-01-01 as a date."""
    return str(np.datetime64(int(day), "D"))
