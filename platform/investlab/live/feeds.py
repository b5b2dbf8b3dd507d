"""Feeds: where live quotes come from."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from investlab.schemas.live import Quote

Emit = Callable[[Quote], Awaitable[None]]
"""Takes a quote as it comes."""

Wait = Callable[[float], Awaitable[None]]
"""Waits until a fraction (0 to 1) of the present session has passed."""


class Feed(Protocol):
    """Gives quotes as they come, until it has no more or is cancelled."""

    @property
    def name(self) -> str:
        """Return the name people see."""
        ...

    async def run(self, emit: Emit) -> None:
        """Give every quote to `emit`, in the order of their times."""
        ...


@dataclass(frozen=True, slots=True)
class TimedQuote:
    """A quote and the fraction of its session at which it is due."""

    at: float
    quote: Quote


@dataclass(frozen=True, slots=True)
class SessionFeed:
    """Gives the quotes of one past session, spread over the time that `wait` says it takes."""

    name: str
    quotes: Sequence[TimedQuote]
    wait: Wait

    async def run(self, emit: Emit) -> None:
        """Give every quote when it is due."""
        for timed in self.quotes:
            await self.wait(timed.at)
            await emit(timed.quote)
