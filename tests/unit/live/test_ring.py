"""Rings: the latest value, what was missed, and when a snapshot is needed."""

import pytest

from investlab.live.ring import Rings
from investlab.schemas.live import LastSeen, MessageKind
from tests.support.streams import message


def _rings(count: int, size: int = 4, topic: str = "t", epoch: str = "e") -> Rings:
    rings = Rings(size)
    for number in range(1, count + 1):
        rings.add(message(topic, number, epoch))
    return rings


def _missed(rings: Rings, last: LastSeen | None, topic: str = "t") -> list[int] | None:
    found = rings.since(topic, last)
    return None if found is None else [encoded.message.seq for encoded in found]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param(LastSeen(epoch="e", seq=10), [], id="missed-nothing"),
        pytest.param(LastSeen(epoch="e", seq=8), [9, 10], id="missed-some"),
        pytest.param(LastSeen(epoch="e", seq=6), [7, 8, 9, 10], id="missed-all-that-is-held"),
        pytest.param(LastSeen(epoch="e", seq=5), None, id="missed-more-than-is-held"),
        pytest.param(LastSeen(epoch="other", seq=9), None, id="another-epoch"),
        pytest.param(LastSeen(epoch="e", seq=11), None, id="from-the-future"),
        pytest.param(None, None, id="has-nothing"),
    ],
)
def test_what_a_client_missed(last: LastSeen | None, expected: list[int] | None) -> None:
    assert _missed(_rings(10), last) == expected


def test_a_gap_in_the_numbers_needs_a_snapshot() -> None:
    rings = _rings(2)
    rings.add(message("t", 5))
    assert _missed(rings, LastSeen(epoch="e", seq=2)) is None


def test_a_message_that_is_held_already_is_dropped() -> None:
    rings = _rings(3)
    assert rings.add(message("t", 3)) is None
    assert rings.add(message("t", 1)) is None
    assert _missed(rings, LastSeen(epoch="e", seq=1)) == [2, 3]


def test_a_new_epoch_begins_with_a_snapshot_and_forgets_the_old() -> None:
    rings = _rings(3)
    added = rings.add(message("t", 1, "later"))
    assert added is not None
    assert added.message.kind is MessageKind.SNAPSHOT
    assert _missed(rings, LastSeen(epoch="e", seq=1)) is None
    assert _missed(rings, LastSeen(epoch="later", seq=0)) == [1]


def test_a_snapshot_is_the_latest_value_and_made_once() -> None:
    rings = _rings(3)
    assert rings.snapshot("t").message.seq == 3
    assert rings.snapshot("t").message.kind is MessageKind.SNAPSHOT
    assert rings.snapshot("t") is rings.snapshot("t")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("quote.*", ["quote.a.1", "quote.b.1"], id="prefix"),
        pytest.param("quote.a.*", ["quote.a.1"], id="longer-prefix"),
        pytest.param("quote.b.1", ["quote.b.1"], id="exact"),
        pytest.param("quo.*", [], id="whole-words-only"),
        pytest.param("none", [], id="unknown"),
    ],
)
def test_patterns_mean_topics(pattern: str, expected: list[str]) -> None:
    rings = Rings()
    for topic in ("quote.a.1", "quotes", "quote.b.1"):
        rings.add(message(topic))
    assert list(rings.topics(pattern)) == expected


def test_the_latest_value_of_a_topic_without_one_is_none() -> None:
    assert Rings().latest("t") is None
    assert _rings(2).latest("t") == message("t", 2)
