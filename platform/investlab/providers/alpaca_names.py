"""The names that instruments had before: changes of symbols, followed back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from investlab.providers.alpaca_messages import Actions, NameChange


@dataclass(frozen=True, slots=True)
class FormerName:
    """A symbol that an instrument had up to, not including, a day; since when is not always known."""

    symbol: str
    since: date | None
    until: date

    def holds_on(self, day: date) -> bool:
        """Say whether the instrument had this name on a day."""
        return day < self.until and (self.since is None or day >= self.since)


def former_names(pages: Iterable[Actions], symbols: Iterable[str]) -> dict[str, tuple[FormerName, ...]]:
    """Return the former names of each symbol's instrument, the oldest first."""
    changes: dict[str, list[NameChange]] = {}
    for actions in pages:
        for change in actions.name_changes:
            if change.old_symbol != change.new_symbol:
                changes.setdefault(change.new_symbol, []).append(change)
    return {symbol: _followed(symbol, changes) for symbol in symbols}


def _followed(symbol: str, changes: dict[str, list[NameChange]]) -> tuple[FormerName, ...]:
    found: list[FormerName] = []
    name, until = symbol, date.max
    while True:
        earlier = [change for change in changes.get(name, ()) if change.process_date < until]
        if not earlier:
            return tuple(reversed(found))
        last = max(earlier, key=lambda change: change.process_date)
        if found:
            found[-1] = FormerName(found[-1].symbol, last.process_date, found[-1].until)
        name, until = last.old_symbol, last.process_date
        found.append(FormerName(name, None, until))
