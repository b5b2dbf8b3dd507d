"""Users and their keys: a key is shown once, and only while it holds does it tell whose it is."""

from typing import Any

import pytest
from sqlalchemy import text

from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.schemas.users import IssuedKey, Role, UserDraft
from investlab.store.database import Database
from investlab.store.repositories import users
from tests.support.records import AT, at, key_draft


@pytest.fixture
def house(database: Database) -> Database:
    """One user, Ada."""
    database.write(lambda session: users.create_user(session, UserDraft(name="ada", role=Role.RESEARCHER), at=AT))
    return database


@pytest.fixture
def issued(house: Database) -> IssuedKey:
    """A key of Ada's that holds for an hour."""
    return house.write(lambda session: users.issue_key(session, key_draft(), at=AT))


def _bearer(house: Database, key: str, minutes: float = 1) -> str | None:
    with house.read() as session:
        found = users.find_user_by_key(session, key, at=at(minutes))
    return None if found is None else found[0].name


def test_a_key_tells_whose_it_is_and_what_for(house: Database, issued: IssuedKey) -> None:
    with house.read() as session:
        found = users.find_user_by_key(session, issued.key, at=at(1))
    assert found is not None
    assert found == (users_of(house)[0], issued.info)
    assert (found[1].scopes, found[1].label) == (("read",), "notebook")


def users_of(house: Database) -> list[Any]:
    with house.read() as session:
        return users.list_users(session)


def test_the_key_itself_is_stored_nowhere(house: Database, issued: IssuedKey) -> None:
    with house.read() as session:
        stored = [str(value) for row in session.execute(text("SELECT * FROM api_keys")) for value in row]
    assert not any(issued.key in value for value in stored)
    assert issued.info.prefix == issued.key[: users.PREFIX_CHARACTERS]
    assert issued.key not in repr(issued)


def test_every_key_is_another(house: Database, issued: IssuedKey) -> None:
    second = house.write(lambda session: users.issue_key(session, key_draft(), at=AT))
    assert second.key != issued.key
    assert len(second.key) >= 43


@pytest.mark.parametrize(
    ("change", "minutes"),
    [
        pytest.param(lambda key: key, 60, id="expired"),
        pytest.param(lambda key: f"{key}x", 1, id="longer"),
        pytest.param(lambda key: key[:-1], 1, id="shorter"),
        pytest.param(lambda key: key.swapcase(), 1, id="other-case"),
        pytest.param(lambda _: "", 1, id="empty"),
        pytest.param(lambda key: f"{key[: users.PREFIX_CHARACTERS]}{'A' * 40}", 1, id="same-beginning"),
    ],
)
def test_what_is_no_valid_key_is_nobodys(house: Database, issued: IssuedKey, change: Any, minutes: float) -> None:
    assert _bearer(house, change(issued.key), minutes) is None


def test_a_revoked_key_is_nobodys(house: Database, issued: IssuedKey) -> None:
    assert _bearer(house, issued.key) == "ada"
    for minutes in (2, 3):
        revoked = house.write(
            lambda session, minutes=minutes: users.revoke_key(session, issued.info.key_id, at=at(minutes))
        )
    assert revoked.revoked_at == at(2)
    assert _bearer(house, issued.key) is None


def test_a_disabled_user_has_no_keys(house: Database, issued: IssuedKey) -> None:
    house.write(lambda session: users.disable_user(session, "ada", at=at(1)))
    assert _bearer(house, issued.key) is None
    with pytest.raises(Conflict, match="is disabled"):
        house.write(lambda session: users.issue_key(session, key_draft(), at=at(2)))


def test_the_last_use_is_noted(house: Database, issued: IssuedKey) -> None:
    house.write(lambda session: users.mark_key_used(session, issued.info.key_id, at=at(7)))
    with house.read() as session:
        assert [key.last_used_at for key in users.list_keys(session, "ada")] == [at(7)]


def test_a_name_is_given_once(house: Database) -> None:
    with pytest.raises(Conflict, match="a user 'ada' already"):
        house.write(lambda session: users.create_user(session, UserDraft(name="ada", role=Role.APP), at=AT))


def test_an_unknown_user_or_key_is_named(house: Database) -> None:
    with house.read() as session:
        with pytest.raises(NotFound, match="Unknown user 'adda'. Did you mean ada"):
            users.user(session, "adda")
        with pytest.raises(NotFound, match="no API key 999"):
            users.revoke_key(session, 999, at=AT)


def test_a_key_that_has_expired_when_it_is_issued_is_refused(house: Database) -> None:
    with pytest.raises(InvalidInput, match="refuses a value"):
        house.write(lambda session: users.issue_key(session, key_draft(expires_at=at(-1)), at=AT))
