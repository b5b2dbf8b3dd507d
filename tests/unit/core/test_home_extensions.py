"""Strategies in files of a folder: found without being executed, and told by file and line where they break."""

import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest

from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.core.home_extensions import load_home_strategy, read_home_extensions
from investlab.core.identity import identity_of

GOOD = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

STEP = 2

def doubled(value):
    return STEP * value

@dataclass(frozen=True, slots=True)
class Good:
    """A strategy."""

    name: ClassVar[str] = "good"
    family: ClassVar[str] = "good"
    window: int = 21

    def weights(self, panel):
        return doubled(panel)

class Better(Good):
    name = "better"

class Unnamed:
    def weights(self, panel): ...

class Idle:
    name = "idle"
'''
BROKEN = "def f(:\n    pass\n"
FAILING = 'import nowhere_to_be_found\n\nclass Bad:\n    name = "bad"\n    def signals(self, panel): ...\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "broken.py").write_text("\n" + BROKEN)
    (tmp_path / "failing.py").write_text("\n\n" + FAILING)
    return tmp_path


def test_named_classes_that_decide_are_strategies_and_a_broken_file_hides_none(folder: Path) -> None:
    held = read_home_extensions(folder)
    assert [(each.name, each.class_name, each.path.name) for each in held.strategies] == [
        ("bad", "Bad", "failing.py"),
        ("better", "Better", "good.py"),
        ("good", "Good", "good.py"),
    ]
    assert [(each.path.name, each.line) for each in held.broken] == [("broken.py", 2)]


def test_a_folder_that_is_missing_holds_nothing(tmp_path: Path) -> None:
    held = read_home_extensions(tmp_path / "nowhere")
    assert (held.strategies, held.broken) == ((), ())


def test_finding_executes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "loud.py").write_text('print("executed")\n' + FAILING.partition("\n")[2])
    read_home_extensions(folder)
    load_home_strategy(folder, "good")
    assert capsys.readouterr().out == ""


def test_a_strategy_is_loaded_by_its_name(folder: Path) -> None:
    loaded = load_home_strategy(folder, "good")
    assert isinstance(loaded, type)
    assert loaded().weights(3) == 6
    assert not [name for name in sys.modules if name.startswith("investlab_home")]


def test_its_identity_is_its_content(folder: Path) -> None:
    before = identity_of(load_home_strategy(folder, "good")).hash
    assert before is not None
    assert identity_of(load_home_strategy(folder, "good")).hash == before
    (folder / "good.py").write_text(GOOD.replace("STEP = 2", "STEP = 3"))
    assert identity_of(load_home_strategy(folder, "good")).hash != before


def test_it_travels_to_a_process_that_does_not_know_the_folder(folder: Path) -> None:
    sent = cloudpickle.dumps(load_home_strategy(folder, "good"))  # type: ignore[no-untyped-call]
    probe = f"import pickle; print(pickle.loads({sent!r})(window=5).weights(4))"
    outcome = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd="/")
    assert outcome.stdout.strip() == "8"


def test_a_file_that_fails_names_its_line(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"failing\.py, line 3, failed: ModuleNotFoundError") as caught:
        load_home_strategy(folder, "bad")
    assert caught.value.remedy
    assert load_home_strategy(folder, "better")


def test_an_unknown_name_tells_near_ones_and_broken_files(folder: Path) -> None:
    with pytest.raises(NotFound, match=r"Did you mean good.*broken\.py, line 2, cannot be read") as caught:
        load_home_strategy(folder, "goood")
    assert caught.value.details["near"] == ["good"]


def test_a_name_declared_twice_is_refused(folder: Path) -> None:
    (folder / "again.py").write_text(GOOD)
    with pytest.raises(Conflict, match=r"again\.py:\d+ and .*good\.py:\d+"):
        load_home_strategy(folder, "good")
