"""Keeps a value at hand that is slow to make."""

import logging
import threading
import time
from collections.abc import Callable

from investlab.core.errors import InvestlabError

FRESH_SECONDS = 1.5
logger = logging.getLogger(__name__)


class Keeper[T]:
    """Makes a value for all who ask within a moment; when it cannot be made again, the last one stays."""

    def __init__(self, make: Callable[[], T], now: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._now = now
        self._making = threading.Lock()
        self._kept: tuple[T, float] | None = None

    def fresh(self) -> T:
        """Return a value made within the last second and a half, made now if need be: not for the event loop.

        Raises:
            InvestlabError: It cannot be made, and there is none from before.
        """
        with self._making:
            kept = self._kept
            if kept is not None and self._now() - kept[1] < FRESH_SECONDS:
                return kept[0]
            try:
                made = self._make()
            except InvestlabError as error:
                if kept is None:
                    raise
                logger.warning("An older state is shown: %s", error.sentence)
                made = kept[0]
            self._kept = (made, self._now())
            return made
