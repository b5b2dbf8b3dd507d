"""Replay passes: one running for each dataset, moved forwards only, by compare-and-set."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvalidInput, InvestlabError, NotFound
from investlab.schemas.live import ReplayPass, ReplayStatus
from investlab.store.database import Database
from investlab.store.repositories import replays
from tests.support.records import AT, add_dataset, at

FIRST, LAST = date(2020, 1, 2), date(2020, 1, 15)


def begin(session: Session, dataset: str = "us", minutes: float = 0) -> ReplayPass:
    return replays.start_pass(session, dataset=dataset, first_session=FIRST, last_session=LAST, at=at(minutes))


@pytest.fixture
def stored(database: Database) -> Database:
    """The datasets us and other, without any pass."""
    database.write(add_dataset)
    database.write(lambda session: add_dataset(session, name="other"))
    return database


def _current(stored: Database, dataset: str = "us") -> ReplayPass | None:
    with stored.read() as session:
        return replays.current_pass(session, dataset)


def test_a_pass_begins_before_its_first_session(stored: Database) -> None:
    assert _current(stored) is None
    begun = stored.write(begin)
    assert (begun.number, begun.session, begun.status, begun.started_at) == (1, None, ReplayStatus.RUNNING, AT)
    assert begun.pass_id.startswith("rp-")
    assert _current(stored) == begun


def test_only_one_pass_of_a_dataset_runs(stored: Database) -> None:
    begun = stored.write(begin)
    with pytest.raises(Conflict, match=f"Pass {begun.pass_id} of dataset 'us' is running") as raised:
        stored.write(begin)
    assert raised.value.details == {"pass_id": begun.pass_id}
    assert stored.write(lambda session: begin(session, "other")).number == 1


def test_a_pass_follows_a_completed_one(stored: Database) -> None:
    first = stored.write(begin)
    done = stored.write(lambda session: replays.complete_pass(session, first.pass_id, at=at(5)))
    assert (done.status, done.updated_at) == (ReplayStatus.COMPLETED, at(5))
    assert _current(stored) is None
    second = stored.write(lambda session: begin(session, minutes=6))
    assert second.number == 2
    with stored.read() as session:
        assert [found.number for found in replays.passes(session)] == [2, 1]


def test_a_pass_moves_forwards_from_where_the_caller_saw_it(stored: Database) -> None:
    begun = stored.write(begin)
    for expected, to in ((None, FIRST), (FIRST, date(2020, 1, 3)), (date(2020, 1, 3), LAST)):
        moved = stored.write(
            lambda session, e=expected, t=to: replays.advance_pass(session, begun.pass_id, expected=e, to=t, at=at(1))
        )
        assert (moved.session, moved.updated_at) == (to, at(1))


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        pytest.param({"expected": None, "to": date(2020, 1, 3)}, Conflict, "stands at 2020-01-02", id="overtaken"),
        pytest.param({"expected": FIRST, "to": FIRST}, InvalidInput, "cannot move", id="standing"),
        pytest.param({"expected": FIRST, "to": date(2020, 2, 1)}, InvalidInput, "run from", id="beyond"),
        pytest.param({"expected": FIRST, "to": date(2019, 12, 31)}, InvalidInput, "cannot move", id="backwards"),
    ],
)
def test_a_move_that_cannot_be_is_refused(
    stored: Database, fields: dict[str, Any], error: type[InvestlabError], sentence: str
) -> None:
    begun = stored.write(begin)
    stored.write(lambda session: replays.advance_pass(session, begun.pass_id, expected=None, to=FIRST, at=AT))
    with pytest.raises(error, match=sentence):
        stored.write(lambda session: replays.advance_pass(session, begun.pass_id, at=at(2), **fields))
    current = _current(stored)
    assert current is not None
    assert current.session == FIRST


def test_a_completed_pass_stays_where_it_ended(stored: Database) -> None:
    begun = stored.write(begin)
    stored.write(lambda session: replays.complete_pass(session, begun.pass_id, at=AT))
    with pytest.raises(Conflict, match="already ended"):
        stored.write(lambda session: replays.advance_pass(session, begun.pass_id, expected=None, to=FIRST, at=AT))
    with pytest.raises(Conflict, match="already ended"):
        stored.write(lambda session: replays.complete_pass(session, begun.pass_id, at=AT))


def test_a_pass_needs_a_dataset_and_sessions_in_order(stored: Database) -> None:
    with pytest.raises(NotFound, match="Unknown dataset 'nowhere'"):
        stored.write(lambda session: begin(session, "nowhere"))
    with pytest.raises(InvalidInput, match="Exchange the two"):
        stored.write(
            lambda session: replays.start_pass(session, dataset="us", first_session=LAST, last_session=FIRST, at=AT)
        )


def test_of_two_processes_that_begin_a_pass_one_does(stored: Database) -> None:
    other = Database(stored.url.render_as_string(hide_password=False), sleep=lambda _: None)
    attempts: list[int] = []

    def unit(session: Session) -> ReplayPass:
        attempts.append(len(replays.passes(session)))
        if len(attempts) == 1 and not stored.is_sqlite:
            other.write(begin)
        return begin(session, minutes=1)

    if stored.is_sqlite:
        other.write(begin)
    with pytest.raises(Conflict, match="is running"):
        stored.write(unit)
    other.close()
    with stored.read() as session:
        assert [found.number for found in replays.passes(session)] == [1]


def test_of_two_processes_that_move_a_pass_one_does(stored: Database) -> None:
    begun = stored.write(begin)
    other = Database(stored.url.render_as_string(hide_password=False), sleep=lambda _: None)
    attempts: list[int] = []

    def move(session: Session) -> ReplayPass:
        return replays.advance_pass(session, begun.pass_id, expected=None, to=FIRST, at=at(1))

    def unit(session: Session) -> ReplayPass:
        attempts.append(len(attempts))
        replays.replay_pass(session, begun.pass_id)
        if len(attempts) == 1 and not stored.is_sqlite:
            other.write(move)
        return move(session)

    if stored.is_sqlite:
        other.write(move)
    with pytest.raises(Conflict, match="Another process walks it"):
        stored.write(unit)
    other.close()
