"""Outbound queues: what conflates, what drops, what never does, and that all of it is bounded."""

import json

from hypothesis import given
from hypothesis import strategies as st

from investlab.live.queues import OutboundQueue, QueueLimits
from investlab.live.ring import Encoded
from tests.support.streams import message


def _update(topic: str, seq: int) -> Encoded:
    return Encoded(message(topic, seq))


def _drain(queue: OutboundQueue) -> list[str]:
    """Return what comes out, as `topic:seq` or the text itself."""
    found = []
    while (text := queue.take()) is not None:
        if text.startswith("{"):
            frame = json.loads(text)
            found.append(f"{frame['topic']}:{frame['seq']}")
        else:
            found.append(text)
    return found


def test_updates_of_a_topic_conflate_in_their_place() -> None:
    queue = OutboundQueue(QueueLimits())
    for topic, seq in (("a", 1), ("b", 1), ("a", 2), ("a", 3)):
        queue.put_update(_update(topic, seq))
    assert _drain(queue) == ["a:3", "b:1"]
    assert queue.dropped == 2


def test_above_the_limit_the_oldest_update_goes() -> None:
    queue = OutboundQueue(QueueLimits(updates=2))
    for topic in ("a", "b", "c"):
        queue.put_update(_update(topic, 1))
    assert _drain(queue) == ["b:1", "c:1"]


def test_essentials_never_drop_and_go_first() -> None:
    queue = OutboundQueue(QueueLimits(updates=1))
    queue.put_update(_update("a", 1))
    assert all(queue.put(f"error {number}") for number in range(100))
    queue.put_update(_update("b", 1))
    assert _drain(queue) == [*(f"error {number}" for number in range(100)), "b:1"]


def test_a_snapshot_replaces_what_waits_of_its_topic() -> None:
    queue = OutboundQueue(QueueLimits())
    queue.put(_update("a", 1).snapshot)
    queue.put_update(_update("a", 2))
    queue.put(_update("a", 3).snapshot)
    assert _drain(queue) == ["a:3"]


def test_resumed_messages_all_go_out_before_later_updates() -> None:
    queue = OutboundQueue(QueueLimits())
    queue.put_update(_update("a", 4))
    for seq in (2, 3, 4):
        queue.put(_update("a", seq))
    queue.put_update(_update("a", 5))
    assert _drain(queue) == ["a:2", "a:3", "a:4", "a:5"]


def test_too_many_essentials_are_told() -> None:
    queue = OutboundQueue(QueueLimits(essentials=2))
    assert [queue.put(text) for text in ("a", "b", "c")] == [True, True, False]


def test_too_many_bytes_of_essentials_are_told_and_counted_down() -> None:
    queue = OutboundQueue(QueueLimits(essential_bytes=10))
    assert queue.put("12345678")
    assert not queue.put("12345678")
    _drain(queue)
    assert queue.put("12345678")


def test_updates_no_longer_wanted_are_dropped() -> None:
    queue = OutboundQueue(QueueLimits())
    for topic in ("a", "b"):
        queue.put_update(_update(topic, 1))
    queue.keep(lambda topic: topic == "b")
    assert _drain(queue) == ["b:1"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["update", "snapshot", "essential", "take"]), st.sampled_from("abcdefgh")),
        max_size=120,
    )
)
def test_it_stays_bounded_and_numbers_never_go_backwards(steps: list[tuple[str, str]]) -> None:
    limits = QueueLimits(updates=3, essentials=200)
    queue = OutboundQueue(limits)
    essentials, taken = 0, []
    for number, (step, topic) in enumerate(steps, start=1):
        if step == "update":
            queue.put_update(_update(topic, number))
        elif step == "snapshot":
            queue.put(_update(topic, number).snapshot)
        elif step == "essential":
            essentials += 1
            queue.put(f"error {number}")
        elif (text := queue.take()) is not None:
            taken.append(text)
        assert len(queue) <= limits.updates + 8 + essentials
    while (text := queue.take()) is not None:
        taken.append(text)
    assert sum(text.startswith("error") for text in taken) == essentials
    last: dict[str, int] = {}
    for text in taken:
        if text.startswith("{"):
            frame = json.loads(text)
            assert frame["seq"] > last.get(frame["topic"], 0)
            last[frame["topic"]] = frame["seq"]
