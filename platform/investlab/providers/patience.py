"""How a client of a vendor waits: for a limit to pass, and longer from failure to failure."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from investlab.core.clock import Clock, SystemClock

LONGEST_BACKOFF_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Clock, waiting and chance as arguments, so that tests need no time; `jitter` gives numbers in [0, 1)."""

    clock: Clock = field(default_factory=SystemClock)
    pause: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def wait_seconds(self, attempt: int, asked: float | None = None) -> float:
        """Return how long to wait after an attempt: what was asked for and a little more, or ever longer.

        Chance keeps many clients from coming back in step.
        """
        jitter = self.jitter()
        if asked is not None:
            return asked + jitter
        return min(LONGEST_BACKOFF_SECONDS, 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)
