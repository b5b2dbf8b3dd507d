"""The grid of a sweep: which parameter combinations a strategy accepts."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from math import prod
from typing import Any, overload

import numpy as np
import pandas as pd

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

    def columns(self) -> dict[str, pd.Series]:
        """Return the value of each parameter in every combination."""
        found = {}
        for name, values in self._grid.items():
            at = self._indices(self._places, name)
            is_used = np.bincount(at, minlength=len(values)) > 0
            used = pd.Series([value for value, is_tried in zip(values, is_used, strict=True) if is_tried])
            found[name] = used.take((is_used.cumsum() - 1)[at]).reset_index(drop=True)
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
    valid = array("q")
    refusal: InvalidInput | None = None
    for place, combination in enumerate(GridPoints(given, np.arange(count))):
        try:
            strategy(**combination)
        except InvalidInput as error:
            refusal = refusal or error
        else:
            valid.append(place)
    if not valid and refusal is not None:
        raise InvalidInput(
            f"{strategy.__name__} refuses every combination of the grid: {refusal.detail}", remedy=refusal.remedy
        )
    return Combinations(GridPoints(given, np.array(valid, dtype=np.int64)), count - len(valid))


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
