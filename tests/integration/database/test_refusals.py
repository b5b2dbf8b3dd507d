"""Refused requests reach the audit chain, so few of them that nobody can flood it."""

from datetime import timedelta

import pytest

from investlab.core.clock import FixedClock
from investlab.core.errors import Busy
from investlab.schemas.audit import AuditEvent
from investlab.services.refusals import ACTION, CLIENTS_REMEMBERED, MOST_PER_WINDOW, WINDOW, RefusalLog, Refused
from investlab.store.database import Database
from investlab.store.repositories import audit
from tests.support.logs import hear
from tests.support.records import AT


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(AT)


@pytest.fixture
def log(database: Database, clock: FixedClock) -> RefusalLog:
    return RefusalLog(database, clock, server="gateway")


def events(database: Database, log: RefusalLog) -> list[AuditEvent]:
    """Return what was written in the end, oldest first."""
    log.close()
    with database.read() as session:
        assert audit.verify_chain(session).intact
        return audit.events_of(session, [ACTION])


def refused(client: str | None = "10.0.0.1", path: str = "/v1/thing", status: int = 401) -> Refused:
    return Refused(client, path, status)


def test_a_refused_request_is_an_event_with_client_and_path(database: Database, log: RefusalLog) -> None:
    log.note(refused(status=403))
    (event,) = events(database, log)
    assert (event.subject, event.at, event.actor) == ("10.0.0.1", AT, "system")
    assert event.details == {"server": "gateway", "path": "/v1/thing", "status": 403, "more_before": 0}


def test_a_client_makes_one_event_a_minute_that_counts_the_others(
    database: Database, log: RefusalLog, clock: FixedClock
) -> None:
    for _ in range(500):
        log.note(refused())
    clock.at += WINDOW - timedelta(seconds=1)
    log.note(refused())
    log.note(refused("10.0.0.2"))
    clock.at += timedelta(seconds=1)
    log.note(refused())
    found = events(database, log)
    assert [(event.subject, event.details["more_before"]) for event in found] == [
        ("10.0.0.1", 0),
        ("10.0.0.2", 0),
        ("10.0.0.1", 500),
    ]


def test_many_clients_together_make_few_events(database: Database, log: RefusalLog, clock: FixedClock) -> None:
    for number in range(2 * CLIENTS_REMEMBERED):
        log.note(refused(f"client-{number}"))
    assert len(log._last) == CLIENTS_REMEMBERED
    clock.at += WINDOW
    log.note(refused("client-8191"))
    found = events(database, log)
    assert len(found) == MOST_PER_WINDOW + 1
    assert found[-1].details["more_before"] == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/a\n\x00b", "/a\\n\\x00b", id="control-characters"),
        pytest.param("/" + "x" * 1000, "/" + "x" * 199, id="long"),
        pytest.param("/ü", "/\\xfc", id="not-ascii"),
    ],
)
def test_a_hostile_path_is_recorded_harmlessly(database: Database, log: RefusalLog, path: str, expected: str) -> None:
    log.note(refused(None, path))
    (event,) = events(database, log)
    assert (event.subject, event.details["path"]) == ("unknown", expected)


def test_what_cannot_be_written_hurts_nobody(
    database: Database, log: RefusalLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(*_: object) -> None:
        raise Busy("The database is busy.")

    hear(caplog, monkeypatch)
    monkeypatch.setattr(Database, "write", busy)
    log.note(refused())
    log.close()
    log.note(refused("10.0.0.2"))
    assert "could not be recorded" in caplog.text
