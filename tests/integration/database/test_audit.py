"""The audit chain, whose every tampering is found, and the outbox."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from investlab.core.errors import InvalidInput, NotFound
from investlab.schemas.audit import ChainReport
from investlab.store.database import Database
from investlab.store.repositories import audit, outbox
from tests.support.records import at

EVENTS = 5


@pytest.fixture
def chain(database: Database) -> Database:
    """Five events, whose details hold numbers that a database might rewrite."""

    def unit(session: Session) -> None:
        for number in range(EVENTS):
            details = {"n": number, "big": 1e16, "small": 1e-7, "text": "Zürich ☃", "b": {"z": 1, "a": [1.0, None]}}
            audit.append_event(session, "ada", "promote", f"model-{number}", details, at=at(number))

    database.write(unit)
    return database


def _verify(chain: Database, head: str | None = None) -> ChainReport:
    with chain.read() as session:
        return audit.verify_chain(session, expected_head=head)


def _tamper(chain: Database, *statements: str) -> None:
    chain.write(lambda session: [session.execute(text(statement)) for statement in statements] and None)


def test_an_untouched_chain_is_intact(chain: Database) -> None:
    report = _verify(chain)
    with chain.read() as session:
        newest = audit.list_events(session, limit=1)[0]
    assert (report.intact, report.events, report.head) == (True, EVENTS, newest.hash)


def test_an_empty_chain_is_intact(database: Database) -> None:
    assert _verify(database) == ChainReport(events=0, head=audit.GENESIS, intact=True)


@pytest.mark.parametrize(
    ("statements", "broken_at"),
    [
        pytest.param(["UPDATE audit_events SET actor = 'eve' WHERE id = 3"], 3, id="actor-edited"),
        pytest.param(["UPDATE audit_events SET subject = 'model-9' WHERE id = 1"], 1, id="first-edited"),
        pytest.param(["""UPDATE audit_events SET details = '{"n": 4}' WHERE id = 5"""], 5, id="details-edited"),
        pytest.param(["UPDATE audit_events SET at = '2024-01-02 13:00:00' WHERE id = 2"], 2, id="time-edited"),
        pytest.param(["UPDATE audit_events SET hash = 'x' WHERE id = 4"], 4, id="hash-edited"),
        pytest.param(["DELETE FROM audit_events WHERE id = 3"], 4, id="middle-deleted"),
        pytest.param(["DELETE FROM audit_events WHERE id IN (2, 3)"], 4, id="middle-cut-out"),
        pytest.param(["DELETE FROM audit_events WHERE id = 1"], 2, id="first-deleted"),
        pytest.param(
            [
                "UPDATE audit_events SET id = 99 WHERE id = 2",
                "UPDATE audit_events SET id = 2 WHERE id = 3",
                "UPDATE audit_events SET id = 3 WHERE id = 99",
            ],
            2,
            id="reordered",
        ),
        pytest.param(
            [
                "INSERT INTO audit_events (id, at, actor, action, subject, details, previous_hash, hash) "
                "SELECT 0, at, actor, action, subject, details, 'p', 'h' FROM audit_events WHERE id = 1"
            ],
            0,
            id="inserted",
        ),
    ],
)
def test_tampering_is_found_at_its_first_event(chain: Database, statements: list[str], broken_at: int) -> None:
    _tamper(chain, *statements)
    report = _verify(chain)
    assert (report.intact, report.broken_at) == (False, broken_at)
    assert report.reason


def test_events_cut_from_the_end_are_missed_by_a_noted_head(chain: Database) -> None:
    head = _verify(chain).head
    assert _verify(chain, head).intact
    _tamper(chain, "DELETE FROM audit_events WHERE id = 5")
    assert _verify(chain).intact
    report = _verify(chain, head)
    assert (report.intact, report.events, report.reason) == (False, 4, "events are missing from the end")


def test_a_noted_head_stays_good_while_the_chain_grows(chain: Database) -> None:
    head = _verify(chain).head
    chain.write(lambda session: audit.append_event(session, "ada", "rollback", "model-1", {}, at=at(9)) and None)
    assert _verify(chain, head).intact


def test_an_event_of_a_unit_that_fails_is_not_kept(chain: Database) -> None:
    def unit(session: Session) -> None:
        audit.append_event(session, "ada", "promote", "model-9", {}, at=at(9))
        raise NotFound("gone")

    with pytest.raises(NotFound):
        chain.write(unit)
    assert _verify(chain).events == EVENTS


def test_two_writers_never_fork_the_chain(chain: Database) -> None:
    other = Database(chain.url.render_as_string(hide_password=False), sleep=lambda _: None)
    attempts: list[int] = []

    def unit(session: Session) -> None:
        attempts.append(len(audit.list_events(session)))
        if len(attempts) == 1 and not chain.is_sqlite:
            other.write(lambda inner: audit.append_event(inner, "bob", "promote", "model-8", {}, at=at(8)) and None)
        audit.append_event(session, "ada", "promote", "model-9", {}, at=at(9))

    chain.write(unit)
    other.close()
    assert (_verify(chain).intact, _verify(chain).events) == (True, EVENTS + len(attempts))


def test_events_are_listed_newest_first(chain: Database) -> None:
    with chain.read() as session:
        assert [event.subject for event in audit.list_events(session, limit=2)] == ["model-4", "model-3"]
        assert [event.details["n"] for event in audit.list_events(session, subject="model-1")] == [1]


def test_an_event_needs_an_aware_moment(database: Database) -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        database.write(
            lambda session: audit.append_event(session, "a", "b", "c", {}, at=at(0).replace(tzinfo=None)) and None
        )


def test_messages_wait_until_they_are_relayed(database: Database) -> None:
    def unit(session: Session) -> list[int]:
        return [outbox.enqueue(session, "system", {"n": n}, at=at(n)).message_id for n in range(3)]

    ids = database.write(unit)
    with database.read() as session:
        assert [message.payload for message in outbox.pending(session, limit=2)] == [{"n": 0}, {"n": 1}]
    assert database.write(lambda session: outbox.mark_relayed(session, ids[:2], at=at(5))) == 2
    assert database.write(lambda session: outbox.mark_relayed(session, [*ids, 999], at=at(6))) == 1
    with database.read() as session:
        assert outbox.pending(session) == []
