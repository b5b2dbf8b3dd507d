"""The pace of a replayed session: its real seconds, or none at all."""

import asyncio
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]


class Pacer:
    """Spreads a session over its seconds, from the moment it is made; make it inside the event loop."""

    def __init__(self, seconds: float, sleep: Sleep = asyncio.sleep) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._start = asyncio.get_running_loop().time()

    async def wait(self, fraction: float) -> None:
        """Wait until that fraction (0 to 1) of the session has passed; at once when it has."""
        due = self._start + fraction * self._seconds
        await self._sleep(max(0.0, due - asyncio.get_running_loop().time()))


async def at_once(fraction: float) -> None:
    """Wait for nothing, and let others have a turn."""
    await asyncio.sleep(0)
