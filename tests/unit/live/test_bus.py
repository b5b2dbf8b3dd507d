"""The bus within one process does what every bus must do."""

from investlab.live.bus import Bus, LocalBus
from tests.support.bus_conformance import BusConformance


class TestLocalBus(BusConformance):
    async def make(self) -> Bus:
        return LocalBus()
