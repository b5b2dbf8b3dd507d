"""Saving a strategy that a notebook defined as a file of the home, with a test stub beside it."""

import ast
import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TypeGuard

from investlab.backtest.strategies import Strategy, describe_strategy
from investlab.core.errors import Conflict, InvalidInput
from investlab.core.extensions import STRATEGIES, extensions
from investlab.core.home_extensions import execute_text
from investlab.core.identity import identity_of
from investlab.core.written_module import WrittenModule, write_module
from investlab.services.context import Context
from investlab.services.strategies import extensions_folder, home_extensions

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_STUB = Template('''"""What the strategy `$name` must do: `pytest $file`. Add numbers worked by hand."""

from pathlib import Path

import cloudpickle
import investlab as il
import numpy as np
import pandas as pd
from investlab.backtest.decisions import decide
from investlab.backtest.engine import run_strategy
from investlab.core.home_extensions import load_home_strategy

FOLDER = Path(__file__).resolve().parents[1]
PARAMETERS = $parameters
SESSIONS = 300


def strategy():
    return load_home_strategy(FOLDER, "$name")(**PARAMETERS)


def panel(symbols="ABCD", missing=False):
    """Made-up prices; give the strategy what it needs to act."""
    draws = np.random.default_rng(7).normal(0.0003, 0.01, size=(SESSIONS, len(symbols)))
    days = pd.bdate_range("2020-01-01", periods=SESSIONS)
    close = pd.DataFrame(100.0 * np.exp(draws.cumsum(axis=0)), days, list(symbols))
    if missing:
        close.iloc[100:105, 0] = np.nan
    return il.PricePanel.from_frames(close=close, basis="total_return")


def same(one, two):
    return all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def test_it_decides_nothing_from_the_future():
    report = il.audit_lookahead(strategy(), panel())
    assert report.is_clean, report.sentence


def test_the_same_prices_give_the_same_bits():
    assert same(decide(strategy(), panel()), decide(strategy(), panel()))


def test_the_prices_are_left_as_they_were():
    prices = panel()
    before = prices.close.to_numpy(copy=True)
    decide(strategy(), prices)
    assert np.array_equal(prices.close.to_numpy(), before)


def test_it_travels_to_a_worker():
    arrived = cloudpickle.loads(cloudpickle.dumps(strategy()))
    assert same(decide(arrived, panel()), decide(strategy(), panel()))


def test_one_instrument_is_enough():
    assert np.isfinite(run_strategy(strategy(), panel("A"), execution="next_close").nav).all()


def test_missing_prices_are_no_harm():
    assert np.isfinite(run_strategy(strategy(), panel(missing=True), execution="next_close").nav).all()
''')


@dataclass(frozen=True, slots=True)
class SavedStrategy:
    """Where a strategy was written to, and the stub of its tests."""

    name: str
    path: Path
    test_path: Path

    def __str__(self) -> str:
        return f"The strategy {self.name!r} is saved in {self.path}; its tests are {self.test_path}."


def save_strategy(
    context: Context, strategy: Strategy | type[Strategy], name: str | None, *, replace: bool
) -> SavedStrategy:
    """Write a strategy's class with everything it reaches, and a stub of tests, into the home's extensions folder.

    The file is executed once before it is kept. An object's parameters become those of the stub, not new defaults.

    Raises:
        InvalidInput: The name is no identifier, or something that the class reaches has no source; each is named.
        Conflict: A file of that name is there and `replace` is not given, or another extension bears the name.
    """
    kind = strategy if isinstance(strategy, type) else type(strategy)
    chosen = name or str(vars(kind).get("name", _snake_case(kind.__name__)))
    path = extensions_folder(context.settings) / f"{chosen}.py"
    _require_free(context, chosen, path, replace=replace)
    module = _written(kind, path)
    body = _named(_named(module.definitions[-1], "family", str(getattr(kind, "family", chosen))), "name", chosen)
    final = WrittenModule(module.imports, module.constants, (*module.definitions[:-1], body), ())
    described = describe_strategy(strategy)
    text = f'"""The strategy `{chosen}`, saved from a notebook on {context.clock.now():%Y-%m-%d}."""\n\n{final.text}'
    execute_text(text, path)
    test_path = path.parent / "tests" / f"test_{chosen}.py"
    _write(path, text)
    if not test_path.exists():
        parameters = repr(dict(described.parameters))
        _write(test_path, _STUB.substitute(name=chosen, file=test_path.name, parameters=parameters))
    return SavedStrategy(chosen, path, test_path)


def _require_free(context: Context, name: str, path: Path, *, replace: bool) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise InvalidInput(
            f"{name!r} cannot be a strategy's name.",
            remedy="Use small letters, digits and underscores, as in my_trend.",
        )
    others = [each.source for each in home_extensions(context.settings).strategies if each.name == name]
    others += [each.target for each in extensions(STRATEGIES) if each.name == name]
    taken = [source for source in others if not source.startswith(f"{path}:")]
    if taken:
        raise Conflict(f"The strategy name {name!r} is taken by {taken[0]}.", remedy="Choose another name.")
    if path.exists() and not replace:
        raise Conflict(f"{path} is there already.", remedy="Give replace=True to write it anew, or another name.")


def _written(kind: type, path: Path) -> WrittenModule:
    """Return the class's module as it is in the notebook, checked to be the same code."""
    module = write_module(kind)
    if module.unresolved or not module.definitions:
        named = "; ".join(module.unresolved) or f"{kind.__name__} is not of this notebook"
        raise InvalidInput(
            f"The strategy {kind.__name__} cannot be saved: {named}.",
            remedy="Define it in a cell of its own, give data as parameters, and import what a package ships.",
            details={"unresolved": list(module.unresolved)},
        )
    again = vars(execute_text(module.text, path))[kind.__name__]
    before, after = identity_of(kind), identity_of(again)
    if None not in (before.hash, after.hash) and before.hash != after.hash:
        raise InvalidInput(
            f"The strategy {kind.__name__} cannot be saved: what its cells say now is not what it was made of.",
            remedy="Run the cells that define it and what it uses again, then save it.",
        )
    return module


def _named(text: str, name: str, value: str) -> str:
    """Return a class's text with a text as its attribute: in the place of its own one, else before its methods."""
    lines = text.splitlines(keepends=True)
    node = next(each for each in ast.parse(text).body if isinstance(each, ast.ClassDef))
    own = next((each for each in node.body if _assigns(each, name)), None)
    indent = " " * node.body[0].col_offset
    if own is not None:
        if isinstance(own.value, ast.Constant) and own.value.value == value:
            return text
        typed = f": {ast.unparse(own.annotation)}" if isinstance(own, ast.AnnAssign) else ""
        lines[own.lineno - 1 : own.end_lineno] = [f"{indent}{name}{typed} = {value!r}\n"]
    else:
        first = node.body[0]
        decorators = getattr(first, "decorator_list", [])
        before = min((each.lineno for each in decorators), default=first.lineno) - 1
        place = first.end_lineno or before if ast.get_docstring(node) is not None else before
        lines.insert(place, f"{indent}{name} = {value!r}\n")
    return "".join(lines)


def _assigns(statement: ast.stmt, name: str) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    """Say whether a statement gives the name, and no other, a value."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    else:
        targets = [statement.target] if isinstance(statement, ast.AnnAssign) else []
    return [each.id if isinstance(each, ast.Name) else None for each in targets] == [name]


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_suffix(".tmp")
    building.write_text(text, encoding="utf-8")
    building.replace(path)
