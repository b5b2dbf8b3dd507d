"""Keeps a value at hand that is slow to make, so that opening a page waits for no disk and no drawing."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from investlab.core.errors import InvestlabError

FRESH_SECONDS = 2.0
logger = logging.getLogger(__name__)


class Keeper[T]:
    """Gives the last value made, and makes another in the background once that is older than two seconds.

    The first one to ask waits; everyone else gets an answer at once, however slow the making is. One is made at a time.
    """

    def __init__(self, make: Callable[[], T], now: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._now = now
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._kept: T | None = None
        self._made_at = 0.0
        self._is_making = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="keeper")

    def current(self) -> T:
        """Return the value.

        Raises:
            InvestlabError: It could not be made yet.
        """
        if self._kept is None:
            with self._first:
                if self._kept is None:
                    self._keep(self._make())
        with self._lock:
            kept = self._kept
            is_due = not self._is_making and self._now() - self._made_at >= FRESH_SECONDS
            self._is_making = self._is_making or is_due
        if is_due:
            self._worker.submit(self._refresh)
        if kept is None:
            raise InvestlabError("Nothing was made yet.")
        return kept

    def close(self) -> None:
        """Make no more."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _refresh(self) -> None:
        try:
            self._keep(self._make())
        except InvestlabError as error:
            logger.warning("It could not be made again: %s", error.sentence)
        except Exception:  # the last value stays, and the next one to ask tries again
            logger.exception("It could not be made again.")
        finally:
            with self._lock:
                self._is_making, self._made_at = False, self._now()

    def _keep(self, made: T) -> None:
        with self._lock:
            self._kept, self._made_at = made, self._now()
