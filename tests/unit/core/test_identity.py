"""The identity of notebook code follows what it does, and nothing else."""

import functools
import importlib.metadata
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from investlab.core import identity
from investlab.core.identity import Identity, code_identity, git_state, identity_of, lock_hash

CELLS = '''
import numpy as np
import pandas as pd
from dataclasses import dataclass
from enum import Enum

WINDOW = 20
TABLE = pd.DataFrame({"a": [1.0, float("nan")], "b": ["x", "y"]}, index=pd.date_range("2020-01-01", periods=2))
WEIGHTS = np.array([0.25, 0.75])
NAMES = {"AAPL", "IBM", "MSFT", "GOOG", "FB"}

class Side(Enum):
    LONG = 1
    SHORT = -1

def scale(values, factor=2.0, *, cap=None):
    """Multiply."""
    return [min(value * factor, cap or value) for value in values if value]

def outer(depth):
    def inner(x):
        return x + depth
    return inner

add = outer(3)

class Base:
    limit = 0.5
    def floor(self):
        return self.limit

@dataclass(frozen=True)
class Strategy(Base):
    window: int = WINDOW
    def weights(self, closes):
        try:
            ranked = sorted(NAMES, key=lambda name: (closes[name], name))
        except KeyError:
            return {}
        with np.errstate(all="ignore"):
            total = add(TABLE["a"].sum()) + scale(WEIGHTS)[0] + np.mean(closes) + Side.LONG.value
        return {name: total / self.window for name in ranked if self.floor() < 1 and super().floor()}
'''
"""What a notebook's cells define, run as `__main__` would."""


def cells(source: str = CELLS, name: str = "Strategy") -> Any:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), namespace)
    return namespace[name]


def determined(value: object) -> str:
    found = identity_of(value)
    assert found.undetermined == ()
    assert found.hash is not None
    return found.hash


def test_the_same_cells_have_the_same_identity() -> None:
    assert determined(cells()) == determined(cells())
    assert determined(cells()()) == determined(cells()())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("WINDOW = 20", "WINDOW = 21", id="a-constant"),
        pytest.param("value * factor", "value + factor", id="a-helper-of-another-cell"),
        pytest.param("outer(3)", "outer(4)", id="a-closure"),
        pytest.param("x + depth", "x - depth", id="code-inside-a-closure"),
        pytest.param("factor=2.0", "factor=2.5", id="a-default"),
        pytest.param("cap=None", "cap=9", id="a-keyword-default"),
        pytest.param("limit = 0.5", "limit = 0.6", id="a-base-class"),
        pytest.param("LONG = 1", "LONG = 2", id="an-enumeration"),
        pytest.param('"FB"', '"META"', id="a-set"),
        pytest.param("[0.25, 0.75]", "[0.25, 0.70]", id="an-array"),
        pytest.param('"a": [1.0', '"a": [1.5', id="a-frame"),
        pytest.param("2020-01-01", "2020-01-02", id="an-index"),
        pytest.param("np.mean", "np.median", id="another-library-function"),
        pytest.param("except KeyError", "except ValueError", id="another-exception"),
        pytest.param("frozen=True", "frozen=False", id="a-decorator"),
        pytest.param("if value]", "if not value]", id="a-condition"),
    ],
)
def test_a_change_of_behaviour_changes_the_identity(old: str, new: str) -> None:
    assert old in CELLS
    assert determined(cells(CELLS.replace(old, new))) != determined(cells())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("WINDOW = 20", "# how long\n\n\nWINDOW   =   20", id="comments-and-blank-lines"),
        pytest.param('"""Multiply."""', '"""Multiply each of the values."""', id="a-docstring"),
        pytest.param("return x + depth", "return (\n            x\n            + depth\n        )", id="reformatting"),
        pytest.param(
            "self.floor() < 1 and super().floor()",
            "(\n            self.floor() < 1\n            and super().floor()\n        )",
            id="reformatting-a-condition",
        ),
        pytest.param("def scale(values,", "def scale(values: list,", id="an-annotation"),
        pytest.param("class Side", "UNUSED = 5\n\ndef unused(): ...\n\nclass Side", id="what-is-not-reached"),
        pytest.param('"AAPL", "IBM"', '"IBM", "AAPL"', id="the-order-of-a-set"),
    ],
)
def test_what_does_not_change_behaviour_does_not_change_the_identity(old: str, new: str) -> None:
    assert old in CELLS
    assert determined(cells(CELLS.replace(old, new))) == determined(cells())


BREAKABLE = """
def strategy(a, b, c, d):
    if a and (b or~c) and not (d~or a):
        return 1
    while (a and~b):
        if c: continue
        d = (a and~b)
    x = [i for i in a if~i and~b]
    with a:
        return (b or~c)
    for i in a:
        try:
            if b: break
        except (KeyError,~ValueError):
            pass
        finally:
            c()
    while True:
        if a is None or (b~is not None): return x
"""


def test_breaking_lines_changes_no_control_flow() -> None:
    joined, broken = BREAKABLE.replace("~", " "), BREAKABLE.replace("~", "  # or\n          ")
    assert determined(cells(broken, "strategy")) == determined(cells(joined, "strategy"))
    other = broken.replace("not (d", "(d")
    assert determined(cells(other, "strategy")) != determined(cells(joined, "strategy"))


@pytest.mark.slow
def test_the_identity_is_the_same_in_every_process() -> None:
    program = (
        f"{CELLS}\nfrom investlab.core.identity import identity_of\nprint(*map(identity_of, (Strategy(5), Strategy)))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "4242")
    }
    assert len(found) == 1
    assert found.pop().count("undetermined=()") == 2


def test_using_a_class_and_its_objects_does_not_change_their_identity() -> None:
    source = CELLS.replace(
        "    def weights", "    @functools.cached_property\n    def twice(self):\n        return 2\n\n    def weights"
    )
    kind = cells("import functools" + source)
    made = kind()
    before, unused = determined(kind), determined(made)
    made.__reduce_ex__(4)
    assert made.twice == 2
    assert (determined(kind), determined(made)) == (before, unused)


def test_an_instance_counts_with_its_state() -> None:
    strategy = cells()
    assert determined(strategy(5)) != determined(strategy(6))
    assert determined(strategy(5)) == determined(strategy(5))


def test_a_module_beside_the_notebook_counts_by_what_is_used_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "import {0} as signals\ndef strategy(x):\n    return signals.rank(x)\n"
    hashes = []
    for name, body in {"signals_a": "x + 1", "signals_b": "x  +  1  # same", "signals_c": "x + 2"}.items():
        (tmp_path / f"{name}.py").write_text(f"import os\nUNUSED = os.urandom(4)\ndef rank(x):\n    return {body}\n")
        hashes.append(determined(cells(source.format(name), "strategy")))
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_a_module_imported_inside_a_function_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "late_signals.py").write_text("def rank(x):\n    return x\n")
    strategy = cells("def strategy(x):\n    import late_signals, json\n    return late_signals.rank(x)\n", "strategy")
    assert identity_of(strategy) == Identity(
        None, ("strategy: module 'late_signals' is imported inside a function and not loaded yet",)
    )
    strategy(1)
    assert determined(strategy)


def _noisy(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return function(*arguments)

    return call


def test_decorators_partials_and_recursion_are_followed() -> None:
    def pair(step: int) -> Any:
        def even(n: int) -> bool:
            return n == 0 or odd(n - step)

        def odd(n: int) -> bool:
            return n != 0 and even(n - step)

        return functools.lru_cache(maxsize=4)(_noisy(functools.partial(even)))

    assert determined(pair(1)) == determined(pair(1))
    assert determined(pair(1)) != determined(pair(2))


def test_installed_code_counts_by_name_and_version() -> None:
    assert determined(np.mean) != determined(np.median)
    assert determined(pd.DataFrame) == determined(pd.DataFrame)
    assert determined(Identity) == determined(Identity)
    assert determined(np.random.default_rng(1)) != determined(np.random.default_rng(2))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(threading.Lock, "resource: cannot pickle '_thread.lock' object", id="lock"),
        pytest.param(lambda: open(os.devnull), "resource: cannot pickle 'TextIOWrapper' instances", id="file"),  # noqa: PTH123, SIM115
        pytest.param(
            lambda: (number for number in range(3)), "resource: cannot pickle 'generator' object", id="generator"
        ),
        pytest.param(lambda: [memoryview(b"x")], "resource → [0]: cannot pickle memoryview objects", id="nested"),
    ],
)
def test_what_cannot_be_determined_is_said(make: Callable[[], Any], reason: str) -> None:
    resource = make()

    def strategy() -> Any:
        return resource

    found = identity_of(strategy)
    assert found.hash is None
    assert len(found.undetermined) == 1
    assert reason in found.undetermined[0]
    if hasattr(resource, "close"):
        resource.close()


def test_too_much_to_walk_is_undetermined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("investlab.core.reach.MOST_OBJECTS", 10)
    found = identity_of([[number] for number in range(20)])
    assert found.hash is None
    assert "more than 10 objects" in found.undetermined[0]


def test_the_code_identity_notices_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "identity.py").write_text("A = 1\n")
    monkeypatch.setattr(identity, "__file__", str(tmp_path / "core" / "identity.py"))
    before = code_identity.__wrapped__()
    assert code_identity.__wrapped__() == before
    (tmp_path / "core" / "identity.py").write_text("A = 2\n")
    after = code_identity.__wrapped__()
    assert after != before
    (tmp_path / "core" / "added.py").write_text("")
    assert code_identity.__wrapped__() not in (before, after)


def test_distributions_are_named_as_their_metadata_say() -> None:
    for found in importlib.metadata.distributions():
        assert identity._named(found) == f"{found.name.lower()}=={found.version}"


def test_the_lock_hash_needs_no_file() -> None:
    assert lock_hash() == lock_hash()
    assert len(lock_hash()) == 64


def test_git_state_says_whether_the_tree_is_dirty(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity_ = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity_, *arguments], check=True, capture_output=True)

    git("init")
    assert git_state(tmp_path) is None
    git("commit", "--allow-empty", "-m", "first")
    state = git_state(tmp_path)
    assert state is not None
    assert not state.dirty
    assert len(state.commit) == 40
    (tmp_path / "new.py").write_text("")
    assert git_state(tmp_path) == identity.GitState(state.commit, dirty=True)


def test_what_ray_puts_on_the_path_when_imported_changes_no_lock_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity.lock_hash.__wrapped__()
    carried = Path(str(importlib.metadata.distribution("ray").locate_file("ray/thirdparty_files")))
    assert list(importlib.metadata.distributions(path=[str(carried)]))
    monkeypatch.syspath_prepend(str(carried))
    assert identity.lock_hash.__wrapped__() == before
