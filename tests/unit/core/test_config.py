"""Settings come from defaults or the environment, and say from which."""

from pathlib import Path

import pytest

from investlab.core.config import Settings, describe_settings, load_settings
from investlab.core.errors import InvalidSettings


def test_without_variables_every_setting_has_its_default() -> None:
    assert load_settings({}) == Settings()
    assert {line.source for line in describe_settings(Settings(), {})} == {"default"}


def test_a_variable_overrides_the_default_and_is_named_as_source() -> None:
    environment = {"INVESTLAB_HOME": "/tmp/x", "INVESTLAB_EXECUTOR": "serial", "PATH": "/bin"}
    settings = load_settings(environment)
    assert (settings.home, settings.executor) == (Path("/tmp/x"), "serial")
    sources = {line.variable: line.source for line in describe_settings(settings, environment)}
    assert sources["INVESTLAB_HOME"] == "environment"
    assert sources["INVESTLAB_LOG_LEVEL"] == "default"


def test_an_empty_variable_counts_as_unset() -> None:
    assert load_settings({"INVESTLAB_EXECUTOR": ""}).executor is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("EXECUTOR", "spark"), ("RAY_WORKERS", "0"), ("LOG_LEVEL", "loud"), ("CELL_TIMEOUT_SECONDS", "soon")],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"INVESTLAB_{name}"):
        load_settings({f"INVESTLAB_{name}": value})


def test_a_secret_is_masked_but_usable() -> None:
    environment = {"INVESTLAB_DATABASE_URL": "postgresql+psycopg://me:hunter2@localhost/lab"}
    settings = load_settings(environment)
    assert "hunter2" not in repr(settings)
    assert all("hunter2" not in line.value for line in describe_settings(settings, environment))
    assert "hunter2" in settings.sqlalchemy_url


def test_the_database_is_a_file_in_the_home_by_default(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).sqlalchemy_url == f"sqlite:///{tmp_path / 'investlab.db'}"


def test_every_setting_says_what_it_means() -> None:
    assert all(line.description for line in describe_settings(Settings(), {}))
