import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from investlab.services.backup import back_up
from investlab.services.workspace import open_workspace
from tests.support.databases import postgres, postgres_template, sqlite_template
from tests.support.homes import fill_home, put_log_away

__all__ = ["postgres", "postgres_template", "sqlite_template"]


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with something in every part, to be copied."""
    home = tmp_path_factory.mktemp("filled") / "home"
    with pytest.MonkeyPatch.context() as patched:
        fill_home(patched, home).close()
    put_log_away(home)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def kept_backup(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the filled home, to be copied."""
    with closing(open_workspace(filled)) as lab:
        receipt = back_up(lab.context, tmp_path_factory.mktemp("kept"))
    put_log_away(filled)
    assert receipt.left_out == ()
    return Path(receipt.path)


@pytest.fixture
def backup(kept_backup: Path, tmp_path: Path) -> Path:
    """A backup of the test's own of what `home` holds."""
    return shutil.copytree(kept_backup, tmp_path / "disk" / kept_backup.name)


@pytest.fixture
def home(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own with something in every part; commands work on it."""
    place = tmp_path / "home"
    shutil.copytree(filled, place)
    monkeypatch.setenv("INVESTLAB_HOME", str(place))
    return place
