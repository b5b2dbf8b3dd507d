"""The grid of a sweep: which parameter combinations a strategy accepts."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from math import prod
from typing import Any, overload

import numpy as np
import pandas as pd

from investlab.backtest.parameters import ParameterRule, rules_checked
from investlab.backtest.strategies import Strategy
from investlab.core.errors import InvalidInput, UnknownParameter

Combination = dict[str, Any]
"""Parameter names mapped to values."""

_AT_ONCE = 4096


class GridPoints(Sequence[Combination]):
    """Combinations of a grid in grid order (the last parameter varies fastest), each made when it is asked for.

    `places` numbers them among all combinations of the grid, so that a million take eight bytes each.
    """

    def __init__(self, grid: Mapping[str, Sequence[Any]], places: np.ndarray) -> None:
        self._grid = {name: tuple(values) for name, values in grid.items()}
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Combination: ...

    @overload
    def __getitem__(self, place: slice) -> "GridPoints": ...

    def __getitem__(self, place: int | slice) -> "Combination | GridPoints":
        """Return one combination, or those of a slice."""
        if isinstance(place, slice):
            return GridPoints(self._grid, self._places[place])
        return next(iter(GridPoints(self._grid, self._places[[place]])))

    def __iter__(self) -> Iterator[Combination]:
        for start in range(0, len(self), _AT_ONCE):
            block = self._places[start : start + _AT_ONCE]
            chosen = [[values[at] for at in self._indices(block, name)] for name, values in self._grid.items()]
            if not chosen:
                yield from ({} for _ in block)
            yield from (dict(zip(self._grid, row, strict=True)) for row in zip(*chosen, strict=True))

    def numbers(self, name: str, default: int) -> np.ndarray:
        """Return the whole numbers that one parameter is in every combination; the default where it is not varied."""
        if name not in self._grid:
            return np.full(len(self), default, dtype=np.int64)
        values: np.ndarray = np.array(self._grid[name], dtype=np.int64)[self._indices(self._places, name)]
        return values

    def columns(self) -> dict[str, pd.api.extensions.ExtensionArray]:
        """Return the value of each parameter in every combination."""
        found = {}
        for name, values in self._grid.items():
            at = self._indices(self._places, name)
            is_used = np.bincount(at, minlength=len(values)) > 0
            used = pd.Series([value for value, is_tried in zip(values, is_used, strict=True) if is_tried])
            found[name] = used.array.take((is_used.cumsum() - 1)[at])
        return found

    def _indices(self, places: np.ndarray, name: str) -> np.ndarray:
        """Return which of a parameter's values each place has."""
        sizes = [len(values) for values in self._grid.values()]
        number = list(self._grid).index(name)
        return places // prod(sizes[number + 1 :]) % sizes[number]


@dataclass(frozen=True, slots=True)
class Combinations:
    """The combinations to try, in grid order, and how many were refused."""

    valid: GridPoints
    invalid: int


def expand_grid(strategy: type[Strategy], grid: Mapping[str, Sequence[Any]]) -> Combinations:
    """Return the combinations that the strategy's own validation accepts.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: The strategy is no class, a parameter has no values, or every combination is refused.
    """
    if not isinstance(strategy, type):
        raise InvalidInput(f"{strategy!r} is no strategy class.", remedy="Give the class, such as SmaCross.")
    _check_names(strategy, grid)
    for name, values in grid.items():
        if isinstance(values, (str, bytes)) or not hasattr(values, "__len__") or len(values) == 0:
            raise InvalidInput(f"The grid gives no list of values for {name}.", remedy="Give at least one value.")
    given = {name: tuple(values) for name, values in grid.items()}
    count = prod(len(values) for values in given.values())
    rules = rules_checked(strategy)
    valid = _accepted_one_by_one(strategy, given) if rules is None else _accepted_by(rules, strategy, given)
    if not len(valid):
        _tell_refusal(strategy, GridPoints(given, np.zeros(1, dtype=np.int64))[0])
    return Combinations(GridPoints(given, valid), count - len(valid))


def _tell_refusal(strategy: type[Strategy], combination: Combination) -> None:
    try:
        strategy(**combination)
    except InvalidInput as error:
        raise InvalidInput(
            f"{strategy.__name__} refuses every combination of the grid: {error.detail}", remedy=error.remedy
        ) from error


def _accepted_one_by_one(strategy: type[Strategy], grid: Mapping[str, tuple[Any, ...]]) -> np.ndarray:
    """Return the places of the combinations that the strategy can be made with."""
    valid = array("q")
    for place, combination in enumerate(GridPoints(grid, np.arange(prod(len(values) for values in grid.values())))):
        with suppress(InvalidInput):
            strategy(**combination)
            valid.append(place)
    return np.array(valid, dtype=np.int64)


def _accepted_by(
    rules: Sequence[ParameterRule], strategy: type[Strategy], grid: Mapping[str, tuple[Any, ...]]
) -> np.ndarray:
    """Return the places of the combinations that the rules accept: each rule sees each value once, not each place."""
    values = {name: declared.default for name, declared in signature(strategy).parameters.items()}
    axes = {name: grid.get(name, (default,)) for name, default in values.items()}
    order = [*grid, *(name for name in axes if name not in grid)]
    fitting = {name: np.ones(len(axes[name]), dtype=np.bool_) for name in order}
    for rule in (rule for rule in rules if len(rule.names) == 1):
        fitting[rule.names[0]] &= rule.accepts(axes[rule.names[0]])
    valid = np.ones((1,) * len(order), dtype=np.bool_)
    for name in order:
        valid = valid & _along(fitting[name], (name,), order)
    for rule in (rule for rule in rules if len(rule.names) > 1):
        chosen = [np.flatnonzero(fitting[name]) for name in rule.names]
        table = np.zeros([len(axes[name]) for name in rule.names], dtype=np.bool_)
        table[np.ix_(*chosen)] = rule.accepts(
            *([axes[name][at] for at in places] for name, places in zip(rule.names, chosen, strict=True))
        )
        valid = valid & _along(table, rule.names, order)
    return np.flatnonzero(valid)


def _along(table: np.ndarray, names: Sequence[str], order: Sequence[str]) -> np.ndarray:
    """Return a table over some parameters as one over all in order, of length 1 along the others."""
    arranged = table.transpose(np.argsort([order.index(name) for name in names]))
    size = iter(arranged.shape)
    return arranged.reshape([next(size) if name in names else 1 for name in order])


def _check_names(strategy: type[Strategy], grid: Mapping[str, Sequence[Any]]) -> None:
    declared = signature(strategy).parameters
    for name in grid:
        if name not in declared:
            near = get_close_matches(name, declared, n=3, cutoff=0.5)
            hint = f"Did you mean {', '.join(near)}?" if near else f"It has {', '.join(declared) or 'none'}."
            raise UnknownParameter(
                f"{strategy.__name__} has no parameter {name!r}.", remedy=hint, details={"near": near}
            )
    for name, parameter in declared.items():
        if parameter.default is Parameter.empty and name not in grid:
            raise InvalidInput(f"{strategy.__name__} needs {name}.", remedy=f"Add {name} to the grid.")


def build_strategy(strategy: type[Strategy], parameters: Mapping[str, Any]) -> Strategy:
    """Return the strategy with these parameters.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: A parameter without a default is missing, or the strategy refuses a value.
    """
    _check_names(strategy, {name: [value] for name, value in parameters.items()})
    return strategy(**parameters)
