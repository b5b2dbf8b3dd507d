"""Keeps the market page's state at hand, so that opening a page waits for no disk."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from investlab.core.errors import InvestlabError
from investlab.views.state import MarketState

FRESH_SECONDS = 2.0
logger = logging.getLogger(__name__)


class StateKeeper:
    """Gives the last state read, and reads again in the background once that is older than two seconds.

    The first reader waits; everyone else gets an answer at once, however slow the stores are. One reading at a time.
    """

    def __init__(self, read: Callable[[], MarketState], now: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._now = now
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._state: MarketState | None = None
        self._read_at = 0.0
        self._is_reading = False
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="market-state")

    def current(self) -> MarketState:
        """Return the state.

        Raises:
            InvestlabError: Nothing could be read yet.
        """
        if self._state is None:
            with self._first:
                if self._state is None:
                    self._keep(self._read())
        with self._lock:
            state = self._state
            is_due = not self._is_reading and self._now() - self._read_at >= FRESH_SECONDS
            self._is_reading = self._is_reading or is_due
        if is_due:
            self._reader.submit(self._refresh)
        if state is None:
            raise InvestlabError("The market page has no state.")
        return state

    def close(self) -> None:
        """Start no more readings."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _refresh(self) -> None:
        try:
            self._keep(self._read())
        except InvestlabError as error:
            logger.warning("The market page's state could not be read again: %s", error.sentence)
        except Exception:  # the last state stays, and the next reader tries again
            logger.exception("The market page's state could not be read again.")
        finally:
            with self._lock:
                self._is_reading, self._read_at = False, self._now()

    def _keep(self, state: MarketState) -> None:
        with self._lock:
            self._state, self._read_at = state, self._now()
