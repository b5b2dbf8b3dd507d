"""Which database URLs are taken, and how the others are refused."""

import pytest

from investlab.core.errors import InvalidSettings
from investlab.models.engines import database_url, sqlite_file


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("sqlite:////x/y.db", "sqlite+pysqlite:////x/y.db", id="sqlite"),
        pytest.param("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d", id="postgresql"),
        pytest.param("postgres://u@h/d", "postgresql+psycopg://u@h/d", id="postgres"),
    ],
)
def test_the_driver_is_ours(given: str, expected: str) -> None:
    assert database_url(given).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        "mysql://u:s3cret@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
    ],
)
def test_other_urls_are_refused_without_telling_them(given: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        database_url(given)
    assert "INVESTLAB_DATABASE_URL" in raised.value.remedy
    assert "s3cret" not in raised.value.sentence


def test_the_file_of_a_sqlite_url() -> None:
    assert str(sqlite_file(database_url("sqlite:////x/y.db"))) == "/x/y.db"
    assert sqlite_file(database_url("postgresql://h/d")) is None
