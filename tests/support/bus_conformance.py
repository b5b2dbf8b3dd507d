"""What every bus must do: inherit `BusConformance` and say how a bus is made."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from investlab.core.errors import Conflict
from investlab.live.bus import Bus
from investlab.schemas.live import LiveMessage
from tests.support.streams import message

DEADLINE_SECONDS = 10.0


class Inbox:
    """A subscriber that keeps what it receives."""

    def __init__(self) -> None:
        self.messages: list[LiveMessage] = []
        self._arrived = asyncio.Event()

    def __call__(self, received: LiveMessage) -> None:
        self.messages.append(received)
        self._arrived.set()

    async def holds(self, count: int) -> list[LiveMessage]:
        """Wait until so many arrived, and return them."""

        async def wait() -> None:
            while len(self.messages) < count:
                self._arrived.clear()
                await self._arrived.wait()

        await asyncio.wait_for(wait(), DEADLINE_SECONDS)
        return self.messages


class BusConformance:
    """Behaviour that hubs and publishers rely on."""

    async def make(self) -> Bus:
        """Return an open bus that nobody else uses."""
        raise NotImplementedError

    def play(self, scenario: Callable[[Bus], Awaitable[None]]) -> None:
        async def run() -> None:
            bus = await self.make()
            try:
                await scenario(bus)
            finally:
                await bus.close()

        asyncio.run(run())

    def test_a_message_arrives_unaltered(self) -> None:
        async def scenario(bus: Bus) -> None:
            inbox = Inbox()
            await bus.subscribe(inbox)
            sent = message("quote.us-close.7", 3, "epoch", price=1.25, text="é", nested={"a": [1, None, True]})
            await bus.publish(sent)
            assert await inbox.holds(1) == [sent]

        self.play(scenario)

    def test_messages_arrive_in_the_order_published(self) -> None:
        async def scenario(bus: Bus) -> None:
            inbox = Inbox()
            await bus.subscribe(inbox)
            sent = [message(f"t{number % 3}", number) for number in range(1, 101)]
            for each in sent:
                await bus.publish(each)
            assert await inbox.holds(100) == sent

        self.play(scenario)

    def test_every_subscriber_gets_every_message(self) -> None:
        async def scenario(bus: Bus) -> None:
            first, second = Inbox(), Inbox()
            await bus.subscribe(first)
            await bus.subscribe(second)
            await bus.publish(message())
            assert await first.holds(1) == await second.holds(1)

        self.play(scenario)

    def test_who_leaves_gets_nothing_more(self) -> None:
        async def scenario(bus: Bus) -> None:
            gone, stays = Inbox(), Inbox()
            leave = await bus.subscribe(gone)
            await bus.subscribe(stays)
            await leave()
            await bus.publish(message())
            await stays.holds(1)
            assert gone.messages == []

        self.play(scenario)

    def test_leaving_twice_does_nothing_more(self) -> None:
        async def scenario(bus: Bus) -> None:
            leave = await bus.subscribe(Inbox())
            await leave()
            await leave()

        self.play(scenario)

    def test_a_subscriber_that_raises_disturbs_no_other(self) -> None:
        def fail(received: LiveMessage) -> None:
            raise ValueError(received.topic)

        async def scenario(bus: Bus) -> None:
            inbox = Inbox()
            await bus.subscribe(fail)
            await bus.subscribe(inbox)
            await bus.publish(message(seq=1))
            await bus.publish(message(seq=2))
            assert [each.seq for each in await inbox.holds(2)] == [1, 2]

        self.play(scenario)

    def test_publishing_without_a_subscriber_is_no_error(self) -> None:
        async def scenario(bus: Bus) -> None:
            await bus.publish(message())

        self.play(scenario)

    def test_a_closed_bus_refuses(self) -> None:
        async def scenario(bus: Bus) -> None:
            await bus.close()
            await bus.close()
            with pytest.raises(Conflict, match="closed"):
                await bus.publish(message())
            with pytest.raises(Conflict, match="closed"):
                await bus.subscribe(Inbox())

        self.play(scenario)
