"""The hub: numbering by topic and epoch, JSON only, heartbeats by its loop."""

import asyncio

import pytest

from investlab.core.clock import FixedClock
from investlab.live.bus import LocalBus
from investlab.live.hub import Hub, Numbering, boot_name
from tests.support.streams import AT, FakeClient, settle, with_hub


def test_each_topic_is_numbered_by_itself_from_one_on() -> None:
    numbering = Numbering("boot")
    assert [numbering.next("a"), numbering.next("b"), numbering.next("a")] == [1, 1, 2]


def test_a_new_epoch_numbers_from_one_again_and_names_the_boot() -> None:
    numbering = Numbering("boot")
    numbering.next("a")
    numbering.begin("rp-2")
    assert (numbering.epoch, numbering.next("a")) == ("rp-2.boot", 1)


def test_a_boot_at_another_moment_has_another_name() -> None:
    clock = FixedClock(AT)
    first = boot_name(clock)
    clock.at = AT.replace(microsecond=1)
    assert first != boot_name(clock)


def test_what_is_published_carries_number_epoch_and_time() -> None:
    async def scenario(hub: Hub) -> None:
        sent = await hub.publish("system", {"event": "x"})
        assert (sent.topic, sent.epoch, sent.seq, sent.at, sent.payload) == ("system", "boot", 1, AT, {"event": "x"})
        assert hub.rings.latest("system") == sent

    with_hub(scenario)


def test_another_publisher_on_the_bus_reaches_the_clients_of_this_hub() -> None:
    async def play() -> None:
        bus, clock = LocalBus(), FixedClock(AT)
        hub, other = Hub(bus, clock, boot="one"), Hub(bus, clock, boot="two")
        await hub.start()
        client = FakeClient(hub)
        await client.subscribe("system")
        await other.publish("system", {})
        await settle()
        assert [frame["epoch"] for frame in client.transport.of_kind("update")] == ["two"]
        await hub.close()
        await client.serving

    asyncio.run(play())


def test_the_loop_beats_at_its_interval() -> None:
    class Enough(Exception):
        """Ends the loop."""

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await settle()
        if len(slept) > 3:
            raise Enough

    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await settle()
        with pytest.raises(Enough):
            await hub.run(sleep)
        assert [frame["seq"] for frame in client.transport.of_kind("heartbeat")] == [1, 2]

    with_hub(scenario, heartbeat_seconds=7.0)
    assert slept == [7.0] * 4


def test_a_hub_that_left_the_bus_hears_nothing_more() -> None:
    async def scenario(hub: Hub) -> None:
        await hub.close()
        await hub.publish("system", {})
        assert hub.rings.latest("system") is None

    with_hub(scenario)
