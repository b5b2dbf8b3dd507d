"""Homes to replay: filled once, copied for each test."""

import shutil
from pathlib import Path

import pytest

from tests.support.replays import fill_home


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with data that nobody may write."""
    home = tmp_path_factory.mktemp("replay") / "home"
    with pytest.MonkeyPatch.context() as patch:
        fill_home(patch, home)
    return home


@pytest.fixture
def home(filled_home: Path, tmp_path: Path) -> Path:
    """A home with data of this test's own."""
    return Path(shutil.copytree(filled_home, tmp_path / "home"))
