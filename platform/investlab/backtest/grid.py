"""The grid of a sweep: which parameter combinations a strategy accepts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from itertools import product
from math import prod
from typing import Any

from investlab.backtest.strategies import Strategy
from investlab.core.errors import InvalidInput, UnknownParameter

Combination = dict[str, Any]
"""Parameter names mapped to values."""


@dataclass(frozen=True, slots=True)
class Combinations:
    """The combinations to try, in grid order (the last parameter varies fastest), and how many were refused."""

    valid: tuple[Combination, ...]
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
    valid: list[Combination] = []
    refusal: InvalidInput | None = None
    for values in product(*grid.values()):
        combination = dict(zip(grid, values, strict=True))
        try:
            strategy(**combination)
        except InvalidInput as error:
            refusal = refusal or error
        else:
            valid.append(combination)
    if not valid and refusal is not None:
        raise InvalidInput(
            f"{strategy.__name__} refuses every combination of the grid: {refusal.detail}", remedy=refusal.remedy
        )
    return Combinations(tuple(valid), prod(len(values) for values in grid.values()) - len(valid))


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
