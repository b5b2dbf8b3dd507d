"""The outbox relay: order, at least once, marks, and trouble with the database told and waited out."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from investlab.core.clock import FixedClock
from investlab.core.errors import StorageUnavailable
from investlab.live.outbox import LONGEST_PAUSE_SECONDS, PAGE, POLL_SECONDS, OutboxRelay, RelayCondition, stream_form
from investlab.schemas.audit import OutboxMessage
from investlab.schemas.live import LiveMessage
from investlab.store.database import Database
from investlab.store.repositories import outbox
from tests.support.streams import AT, message


class Published:
    """Keeps what is published; fails while told to."""

    def __init__(self) -> None:
        self.payloads: list[dict[str, Any]] = []
        self.topics: set[str] = set()

    async def __call__(self, topic: str, payload: Mapping[str, Any]) -> LiveMessage:
        self.topics.add(topic)
        self.payloads.append(dict(payload))
        return message(topic)


def _enqueue(database: Database, *numbers: int, topic: str = "run.completed") -> None:
    for number in numbers:
        database.write(lambda session, n=number: outbox.enqueue(session, topic, {"number": n}, at=AT))


def _waiting(database: Database) -> int:
    with database.read() as session:
        return len(outbox.pending(session, 1000))


def _relay(database: Database) -> tuple[OutboxRelay, Published]:
    published = Published()
    return OutboxRelay(database, published, FixedClock(AT)), published


def _break(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageUnavailable("The database is gone.", remedy="Wait.")

    monkeypatch.setattr(outbox, name, fail)


def test_what_waits_goes_out_in_order_and_is_marked(sqlite_database: Database) -> None:
    relay, published = _relay(sqlite_database)
    _enqueue(sqlite_database, 1, 2, 3)
    assert asyncio.run(relay.step()) == 3
    assert [payload["number"] for payload in published.payloads] == [1, 2, 3]
    assert published.topics == {"system"}
    assert _waiting(sqlite_database) == 0
    assert asyncio.run(relay.step()) == 0
    assert relay.state.relayed == 3


def test_what_could_not_be_marked_is_not_sent_again_by_this_process(
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay, published = _relay(sqlite_database)
    _enqueue(sqlite_database, 1)
    with monkeypatch.context() as broken:
        _break(broken, "mark_relayed")
        with pytest.raises(StorageUnavailable):
            asyncio.run(relay.step())
    _enqueue(sqlite_database, 2)
    asyncio.run(relay.step())
    assert [payload["number"] for payload in published.payloads] == [1, 2]
    assert _waiting(sqlite_database) == 0


def test_another_process_sends_what_was_not_marked_with_the_same_message_id(
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed, before = _relay(sqlite_database)
    _enqueue(sqlite_database, 1)
    with monkeypatch.context() as broken:
        _break(broken, "mark_relayed")
        with pytest.raises(StorageUnavailable):
            asyncio.run(killed.step())
    relay, after = _relay(sqlite_database)
    asyncio.run(relay.step())
    assert before.payloads == after.payloads


def test_trouble_is_told_waited_out_and_healed(
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay, published = _relay(sqlite_database)
    _enqueue(sqlite_database, 1)
    with monkeypatch.context() as broken:
        _break(broken, "pending")
        pauses = [asyncio.run(relay.attempt()) for _ in range(12)]
        assert relay.state.condition is RelayCondition.RETRYING
        assert relay.state.detail == "The database is gone. Wait."
    assert pauses == sorted(pauses)
    assert pauses[0] > POLL_SECONDS
    assert pauses[-1] == LONGEST_PAUSE_SECONDS <= 1.0
    assert asyncio.run(relay.attempt()) == POLL_SECONDS
    assert relay.state.condition is RelayCondition.RELAYING
    assert len(published.payloads) == 1


def test_a_long_backlog_is_relayed_without_pausing(sqlite_database: Database) -> None:
    relay, published = _relay(sqlite_database)
    sqlite_database.write(
        lambda session: [outbox.enqueue(session, "x", {"number": n}, at=AT) for n in range(PAGE + 5)] and None
    )
    assert asyncio.run(relay.attempt()) == 0.0
    assert asyncio.run(relay.attempt()) == POLL_SECONDS
    assert [payload["number"] for payload in published.payloads] == list(range(PAGE + 5))


def test_the_loop_relays_until_cancelled(sqlite_database: Database) -> None:
    relay, published = _relay(sqlite_database)
    _enqueue(sqlite_database, 1)

    async def sleep(seconds: float) -> None:
        if relay.state.relayed:
            raise asyncio.CancelledError
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(relay.run(sleep))
    assert len(published.payloads) == 1


@pytest.mark.parametrize(
    ("topic", "payload", "event"),
    [
        pytest.param("run.completed", {"run": "bt-1"}, "run.completed", id="topic-becomes-event"),
        pytest.param("system", {"event": "model.promoted"}, "model.promoted", id="own-event-stands"),
    ],
)
def test_every_message_becomes_an_event_of_the_system(topic: str, payload: dict[str, Any], event: str) -> None:
    stored = OutboxMessage(message_id=7, topic=topic, payload=payload, created_at=AT)
    found, sent = stream_form(stored)
    assert found == "system"
    assert sent == {**payload, "event": event, "message_id": 7, "created_at": AT.isoformat()}
