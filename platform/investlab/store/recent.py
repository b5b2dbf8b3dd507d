"""What was worked out last, kept in memory by what it was worked out from."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, cast


class Recent:
    """Keeps a few values by key, those used longest ago going first; values must never change."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def get[Value](self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made now unless it is held."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return cast("Value", self._held[key])
        made = make()
        with self._lock:
            self._held[key] = made
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return made

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
