"""Checking a strategy's parameters: the right kind, in range, refused by name, and stored as plain numbers."""

from numbers import Integral
from typing import TypeGuard

import numpy as np

from investlab.core.errors import InvalidInput


def require_whole(strategy: object, name: str, minimum: int) -> None:
    """Store the parameter as an int.

    Raises:
        InvalidInput: It is no whole number, or less than `minimum`.
    """
    value = getattr(strategy, name)
    if type(value) is int and value >= minimum:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise InvalidInput(f"{name} is {value!r}.", remedy=f"Give a whole number that is at least {minimum}.")
    object.__setattr__(strategy, name, int(value))


def require_number(strategy: object, name: str, above: float, below: float = float("inf")) -> None:
    """Store the parameter as a float.

    Raises:
        InvalidInput: It is no finite number strictly between `above` and `below`.
    """
    value = getattr(strategy, name)
    if not is_number(value) or not above < value < below:
        span = f"above {above:g}" + ("" if below == float("inf") else f" and below {below:g}")
        raise InvalidInput(f"{name} is {value!r}.", remedy=f"Give a number {span}.")
    object.__setattr__(strategy, name, float(value))


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a finite real number, numpy's included; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    return bool(np.isfinite(value))


def require_ascending(strategy: object, smaller: str, larger: str) -> None:
    """Check that one parameter is less than another.

    Raises:
        InvalidInput: It is not.
    """
    first, second = getattr(strategy, smaller), getattr(strategy, larger)
    if first >= second:
        raise InvalidInput(
            f"{smaller} {first!r} is not less than {larger} {second!r}.", remedy=f"Give {smaller} < {larger}."
        )
