"""Connections: subscriptions, resuming, slow readers, heartbeats, limits and closing."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from investlab.live.connections import Connection
from investlab.live.hub import Hub
from investlab.live.queues import QueueLimits
from investlab.live.transport import CloseCode
from tests.support.streams import FakeClient, FakeTransport, settle, with_hub


async def _publish(hub: Hub, topic: str, count: int = 1) -> None:
    for number in range(count):
        await hub.publish(topic, {"number": number})
    await settle()


def _connection(hub: Hub) -> Connection:
    """Return the newest connection."""
    return list(hub.connections._open.values())[-1]


def test_a_subscriber_gets_the_latest_value_and_then_updates() -> None:
    async def scenario(hub: Hub) -> None:
        await _publish(hub, "replay", 3)
        client = FakeClient(hub)
        await client.subscribe("replay")
        await _publish(hub, "replay")
        kinds = [(frame["kind"], frame["seq"]) for frame in client.transport.frames]
        assert kinds == [("subscribed", 1), ("snapshot", 3), ("update", 4)]

    with_hub(scenario)


def test_nobody_gets_what_they_did_not_ask_for() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.subscribe("quote.us-close.*", "replay")
        for topic in ("quote.us-close.1", "quote.other.1", "replay", "replays", "system"):
            await _publish(hub, topic)
        topics = [frame["topic"] for frame in client.transport.of_kind("update")]
        assert topics == ["quote.us-close.1", "replay"]

    with_hub(scenario)


def test_who_asks_twice_gets_it_once() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.subscribe("quote.*", "quote.a.*", "quote.a.1")
        await _publish(hub, "quote.a.1")
        assert client.transport.numbers("quote.a.1") == [1]

    with_hub(scenario)


def test_a_client_resumes_after_what_it_has() -> None:
    async def scenario(hub: Hub) -> None:
        await _publish(hub, "replay", 5)
        client = FakeClient(hub)
        await client.subscribe("replay", last={"replay": {"epoch": "boot", "seq": 2}})
        assert [(f["kind"], f["seq"]) for f in client.transport.frames[1:]] == [
            ("update", 3),
            ("update", 4),
            ("update", 5),
        ]

    with_hub(scenario)


def test_a_pattern_resumes_each_of_its_topics() -> None:
    async def scenario(hub: Hub) -> None:
        await _publish(hub, "quote.a.1", 3)
        await _publish(hub, "quote.a.2", 3)
        client = FakeClient(hub)
        await client.subscribe("quote.*", last={"quote.a.1": {"epoch": "boot", "seq": 2}})
        found = [(f["kind"], f["topic"], f["seq"]) for f in client.transport.frames[1:]]
        assert found == [("update", "quote.a.1", 3), ("snapshot", "quote.a.2", 3)]

    with_hub(scenario)


def test_a_client_that_missed_too_much_gets_a_snapshot() -> None:
    async def scenario(hub: Hub) -> None:
        await _publish(hub, "replay", 5)
        client = FakeClient(hub)
        await client.subscribe("replay", last={"replay": {"epoch": "boot", "seq": 1}})
        assert [(f["kind"], f["seq"]) for f in client.transport.frames[1:]] == [("snapshot", 5)]

    with_hub(scenario, resumed_messages=3)


def test_a_new_epoch_means_a_snapshot_for_the_connected_and_the_returning() -> None:
    async def scenario(hub: Hub) -> None:
        stays = FakeClient(hub)
        await stays.subscribe("replay")
        await _publish(hub, "replay")
        await _publish(hub, "replay")
        hub.begin_epoch("rp-2")
        await _publish(hub, "replay")
        returns = FakeClient(hub)
        await returns.subscribe("replay", last={"replay": {"epoch": "boot", "seq": 2}})
        assert [(f["kind"], f["epoch"], f["seq"]) for f in stays.transport.frames[1:]] == [
            ("update", "boot", 1),
            ("update", "boot", 2),
            ("snapshot", "rp-2.boot", 1),
        ]
        assert [(f["kind"], f["seq"]) for f in returns.transport.frames[1:]] == [("snapshot", 1)]

    with_hub(scenario)


def test_unsubscribing_ends_updates() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.subscribe("a", "b")
        client.transport.stall()
        await _publish(hub, "a")
        await _publish(hub, "a")
        await client.say({"action": "unsubscribe", "topics": ["a"]})
        await _publish(hub, "a")
        await _publish(hub, "b")
        client.transport.release()
        await settle()
        assert client.transport.numbers("a") == [1]  # it was being sent already
        assert client.transport.numbers("b") == [1]
        assert client.transport.of_kind("subscribed")[-1]["payload"] == {"topics": ["b"]}

    with_hub(scenario)


def test_a_slow_reader_delays_nobody_and_is_bounded() -> None:
    async def scenario(hub: Hub) -> None:
        slow, quick = FakeClient(hub), FakeClient(hub)
        await slow.subscribe("quote.*", "replay")
        await quick.subscribe("quote.*", "replay")
        slow.transport.stall()
        for number in range(50):
            await _publish(hub, f"quote.a.{number}")
            await _publish(hub, "replay")
        waiting = next(iter(hub.connections._open.values())).queue
        assert len(quick.transport.of_kind("update")) == 100
        assert len(waiting) <= 10
        slow.transport.release()
        await settle()
        assert slow.transport.numbers("replay")[-1] == 50

    with_hub(scenario, queue=QueueLimits(updates=10))


def test_a_reader_too_slow_for_what_never_drops_is_closed() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await settle()
        client.transport.stall()
        for _ in range(8):
            await client.subscribe("replay")
        await client.serving
        assert client.transport.closed is not None
        assert client.transport.closed[0] == CloseCode.OVERLOADED
        assert len(hub.connections) == 0

    with_hub(scenario, queue=QueueLimits(essentials=5))


def test_a_client_that_answers_stays() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await settle()
        for _ in range(10):
            hub.connections.beat()
            await client.say({"action": "pong"})
        assert not client.serving.done()
        assert len(client.transport.of_kind("heartbeat")) == 10

    with_hub(scenario)


def test_a_mute_client_is_evicted_after_two_missed_pongs() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.subscribe("replay")
        for _ in range(2):
            hub.connections.beat()
            await settle()
            assert client.transport.closed is None
        hub.connections.beat()
        await client.serving
        assert client.transport.closed is not None
        assert client.transport.closed[0] == CloseCode.MISSED_HEARTBEATS
        assert len(hub.connections) == 0

    with_hub(scenario)


def test_a_mute_client_that_does_not_read_either_is_evicted() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.subscribe("replay")
        client.transport.stall()
        for _ in range(3):
            await _publish(hub, "replay")
            hub.connections.beat()
        await client.serving
        assert client.transport.closed is not None
        assert client.transport.closed[0] == CloseCode.MISSED_HEARTBEATS

    with_hub(scenario)


def test_one_connection_too_many_is_closed() -> None:
    async def scenario(hub: Hub) -> None:
        first, second = FakeClient(hub), FakeClient(hub)
        await second.serving
        assert second.transport.closed is not None
        assert second.transport.closed[0] == CloseCode.OVERLOADED
        await first.leave()
        third = FakeClient(hub)
        await settle()
        assert not third.serving.done()

    with_hub(scenario, connections=1)


def test_subscriptions_are_capped() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.subscribe("a", "b")
        await client.subscribe("b", "c", "d")
        assert client.transport.of_kind("error")[0]["error"]["code"] == "invalid_input"
        assert list(_connection(hub).topics) == ["a", "b"]

    with_hub(scenario, topics=3)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param("{", id="no-json"),
        pytest.param("[]", id="no-object"),
        pytest.param(b"\x00", id="binary"),
        pytest.param({"action": "sing"}, id="unknown-action"),
        pytest.param({"action": "subscribe", "topics": ["A b"]}, id="no-topic"),
        pytest.param({"action": "subscribe", "topics": ["a.*.b"]}, id="star-inside"),
        pytest.param({"action": "subscribe", "topics": ["t"] * 300}, id="too-many-topics"),
        pytest.param({"action": "pong", "extra": 1}, id="unknown-field"),
        pytest.param({"action": "subscribe", "topics": ["t"], "last": {"t": {"epoch": "e", "seq": -1}}}, id="seq"),
    ],
)
def test_a_malformed_frame_is_answered_with_the_one_error_shape(frame: object) -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.say(frame)
        error = client.transport.of_kind("error")[0]["error"]
        assert error["status"] in (400, 422)
        assert error["request_id"].startswith("stream-")
        assert error["type"] == f"/problems/{error['code']}"
        await client.subscribe("replay")
        assert client.transport.of_kind("subscribed")

    with_hub(scenario)


def test_an_error_never_repeats_what_was_sent() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.say({"action": "<script>", "topics": ["<script>"]})
        assert "<script>" not in "".join(client.transport.sent)

    with_hub(scenario)


def test_many_malformed_frames_close_the_connection() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        for _ in range(3):
            await client.say("{")
        await client.serving
        assert client.transport.closed is not None
        assert client.transport.closed[0] == CloseCode.POLICY

    with_hub(scenario, malformed_frames=3)


def test_a_flood_of_frames_closes_the_connection() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        for _ in range(6):
            await client.say({"action": "pong"})
        await client.serving
        assert client.transport.closed is not None
        assert client.transport.closed[0] == CloseCode.POLICY

    with_hub(scenario, frames_per_heartbeat=5)


@pytest.mark.parametrize("frame", ["é" * 60, b"x" * 101, "x" * 101], ids=["bytes-not-letters", "binary", "text"])
def test_a_frame_too_long_closes_the_connection(frame: str | bytes) -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.say(frame)
        await client.serving
        assert client.transport.closed is not None
        assert client.transport.closed[0] == CloseCode.TOO_BIG

    with_hub(scenario, frame_bytes=100)


def test_a_client_that_goes_leaves_nothing_behind() -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.subscribe("a", "b.*")
        await client.leave()
        assert len(hub.connections) == 0
        assert hub.connections._subscribers == {}

    with_hub(scenario)


def test_a_socket_that_breaks_while_sending_ends_quietly(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(hub: Hub) -> None:
        client = FakeClient(hub)
        await client.subscribe("a")
        client.transport.is_gone = True
        await _publish(hub, "a")
        await client.serving
        assert len(hub.connections) == 0

    with_hub(scenario)
    assert not caplog.records


def test_a_failure_of_the_server_closes_one_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> AsyncIterator[str | bytes]:
        yield '{"action": "pong"}'
        raise ValueError("broken")

    async def scenario(hub: Hub) -> None:
        other, transport = FakeClient(hub), FakeTransport()
        await hub.connections.serve(transport, broken())
        assert transport.closed is not None
        assert transport.closed[0] == CloseCode.INTERNAL
        assert not other.serving.done()

    with_hub(scenario)
    assert "A stream connection failed." in caplog.text


def test_stopping_closes_everyone_as_going_away() -> None:
    async def scenario(hub: Hub) -> None:
        clients = [FakeClient(hub) for _ in range(3)]
        await settle()
        await hub.close()
        await asyncio.gather(*(client.serving for client in clients))
        codes = [client.transport.closed[0] for client in clients if client.transport.closed]
        assert codes == [CloseCode.GOING_AWAY] * 3

    with_hub(scenario)


def test_a_message_is_encoded_once_for_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(hub: Hub) -> None:
        clients = [FakeClient(hub) for _ in range(5)]
        for client in clients:
            await client.subscribe("a")
        await _publish(hub, "a")
        texts = [text for c in clients for text in c.transport.sent if json.loads(text)["kind"] == "update"]
        assert len(texts) == 5
        assert len({id(text) for text in texts}) == 1

    with_hub(scenario)
