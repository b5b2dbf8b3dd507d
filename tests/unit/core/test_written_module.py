"""The text of a notebook's class with all it reaches: it runs by itself and does the same, or says what is missing."""

import linecache
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from investlab.core.home_extensions import execute_text
from investlab.core.identity import identity_of
from investlab.core.written_module import write_module

CELLS = (
    """
import functools
import math as m
import os.path
from collections import OrderedDict as Ordered
from dataclasses import dataclass

import numpy as np
from numba import njit
""",
    """
WINDOW, SCALES = 20, {"fast": [1, 2], "slow": (3, 4.5)}
unused = 1
twice = lambda value: (
    2 * value
)
def scaled(values, factor=WINDOW):
    return [twice(value) * factor for value in values]
""",
    """
def even(n):
    return n == 0 or odd(n - 1)
def odd(n):
    return n != 0 and even(n - 1)
@njit
def total(values):
    return values.sum() * WINDOW
@functools.cache
def root(value):
    return m.sqrt(value) + len(os.path.join("a", "b"))
class Base:
    unused = "an attribute, no name of the module"
    def begin(self):
        return Ordered(a=len([unused for unused in (1, 2)]))
""",
    """
@dataclass(frozen=True)
class Rule(Base):
    window: int = WINDOW
    def decide(self, values: np.ndarray) -> float:
        begun = self.begin()["a"] + root(self.window) + SCALES["slow"][1]
        return total(values) + sum(scaled([1.0])) + begun + even(4)
""",
)


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    """The namespace of a notebook whose cells were executed."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    yield namespace
    for name in [name for name in linecache.cache if name.startswith("<cell ")]:
        del linecache.cache[name]


def execute(namespace: dict[str, Any], *cells: str) -> None:
    for cell in cells:
        name = f"<cell {len(linecache.cache)} {hash(cell)}>"
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        exec(compile(cell, name, "exec"), namespace)


def test_the_text_runs_by_itself_and_is_the_same_code(notebook: dict[str, Any]) -> None:
    execute(notebook, *CELLS)
    written = write_module(notebook["Rule"])
    assert written.unresolved == ()
    again = vars(execute_text(written.text, Path("written.py")))["Rule"]
    values = notebook["np"].array([1.0, 2.5])
    expected = 3.5 * 20 + 2 * 20 + (2 + 20**0.5 + len("a/b") + 4.5) + 1
    assert again().decide(values) == notebook["Rule"]().decide(values) == expected
    assert identity_of(again).hash == identity_of(notebook["Rule"]).hash is not None


def test_only_what_is_reached_is_written(notebook: dict[str, Any]) -> None:
    execute(notebook, *CELLS)
    written = write_module(notebook["Rule"])
    assert "unused = 1" not in written.text
    assert written.constants == ("SCALES = {'fast': [1, 2], 'slow': (3, 4.5)}", "WINDOW = 20")
    assert "import math as m" in written.imports
    assert "from collections import OrderedDict as Ordered" in written.imports
    assert "import os.path" in written.imports


def test_a_redefined_function_is_written_as_it_is_used(notebook: dict[str, Any]) -> None:
    execute(notebook, *CELLS, "def scaled(values, factor=3):\n    return [value + factor for value in values]\n")
    assert "value + factor" in write_module(notebook["Rule"]).text


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        pytest.param("HELD = np.zeros(3)", "HELD is a ndarray whose source cannot be found", id="array"),
        pytest.param("HELD = open(os.devnull)", "HELD is a TextIOWrapper whose source", id="file"),
        pytest.param(
            "def make():\n    def inner(): ...\n    return inner\nHELD = make()",
            "HELD is a function made inside a function",
            id="closure",
        ),
        pytest.param("", "HELD is not defined", id="missing"),
        pytest.param("HELD = float('nan')", "HELD is a float whose source cannot be found", id="nan"),
    ],
)
def test_what_has_no_source_is_named(notebook: dict[str, Any], cell: str, said: str) -> None:
    execute(notebook, CELLS[0], cell, "class Rule:\n    def decide(self):\n        return HELD\n")
    assert any(each.startswith(said) for each in write_module(notebook["Rule"]).unresolved)


def test_a_module_beside_the_notebook_is_named(
    notebook: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside_the_notebook.py").write_text("LIMIT = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    execute(notebook, "import beside_the_notebook\nclass Rule:\n    def f(self): return beside_the_notebook.LIMIT\n")
    found = write_module(notebook["Rule"]).unresolved
    assert found == ("beside_the_notebook is the module beside_the_notebook, which no installed package ships",)
