"""Checking a strategy's parameters: the right kind, in range, refused by name, and stored as plain numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import numpy as np

from investlab.core.errors import InvalidInput


class ParameterRule(Protocol):
    """What must hold of one parameter or between several; a sweep asks for a whole grid at once."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the parameters that the rule is about."""
        ...

    def check(self, strategy: object) -> None:
        """Check one strategy, and store its parameters as plain numbers.

        Raises:
            InvalidInput: The rule does not hold.
        """
        ...

    def accepts(self, *values: Sequence[Any]) -> np.ndarray:
        """Return for every combination of each parameter's values whether the rule holds (an axis a parameter).

        A rule about several parameters is only asked about values that the rules about one of them accept.
        """
        ...


def checked[Kind](*rules: ParameterRule) -> Callable[[type[Kind]], type[Kind]]:
    """Decorate a dataclass, below `@dataclass`, whose parameters need no more than these rules to hold.

    Making one checks them in order; a sweep checks its whole grid at once.
    """

    def check(self: object) -> None:
        for rule in rules:
            rule.check(self)

    def decorate(kind: type[Kind]) -> type[Kind]:
        kind.__post_init__ = check  # type: ignore[attr-defined]
        check.rules = rules  # type: ignore[attr-defined]
        return kind

    return decorate


def rules_checked(strategy: type) -> tuple[ParameterRule, ...] | None:
    """Return the rules that say all about a strategy's parameters, None where its class checks them by itself."""
    rules: tuple[ParameterRule, ...] | None = getattr(getattr(strategy, "__post_init__", None), "rules", None)
    return rules


@dataclass(frozen=True, slots=True)
class Whole:
    """A parameter is a whole number that is at least a minimum."""

    name: str
    minimum: int

    @property
    def names(self) -> tuple[str, ...]:
        """Return the one parameter."""
        return (self.name,)

    def check(self, strategy: object) -> None:
        """Store the parameter as an int."""
        require_whole(strategy, self.name, self.minimum)

    def accepts(self, *values: Sequence[Any]) -> np.ndarray:
        """Return which values are such numbers."""
        return np.array([is_whole(value, self.minimum) for value in values[0]], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Between:
    """A parameter is a finite number strictly between two bounds."""

    name: str
    above: float
    below: float = float("inf")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the one parameter."""
        return (self.name,)

    def check(self, strategy: object) -> None:
        """Store the parameter as a float."""
        require_number(strategy, self.name, self.above, self.below)

    def accepts(self, *values: Sequence[Any]) -> np.ndarray:
        """Return which values are such numbers."""
        return np.array([is_between(value, self.above, self.below) for value in values[0]], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Ascending:
    """One parameter is less than another."""

    smaller: str
    larger: str

    @property
    def names(self) -> tuple[str, ...]:
        """Return both parameters."""
        return (self.smaller, self.larger)

    def check(self, strategy: object) -> None:
        """Check the two."""
        first, second = getattr(strategy, self.smaller), getattr(strategy, self.larger)
        if first >= second:
            raise InvalidInput(
                f"{self.smaller} {first!r} is not less than {self.larger} {second!r}.",
                remedy=f"Give {self.smaller} < {self.larger}.",
            )

    def accepts(self, *values: Sequence[Any]) -> np.ndarray:
        """Return for each pair of values whether the first is less than the second."""
        less: np.ndarray = np.less.outer(np.asarray(values[0]), np.asarray(values[1])).astype(np.bool_)
        return less


def require_whole(strategy: object, name: str, minimum: int) -> None:
    """Store the parameter as an int.

    Raises:
        InvalidInput: It is no whole number, or less than `minimum`.
    """
    value = getattr(strategy, name)
    if not is_whole(value, minimum):
        raise InvalidInput(f"{name} is {value!r}.", remedy=f"Give a whole number that is at least {minimum}.")
    if type(value) is not int:
        object.__setattr__(strategy, name, int(value))


def require_number(strategy: object, name: str, above: float, below: float = float("inf")) -> None:
    """Store the parameter as a float.

    Raises:
        InvalidInput: It is no finite number strictly between `above` and `below`.
    """
    value = getattr(strategy, name)
    if not is_between(value, above, below):
        span = f"above {above:g}" + ("" if below == float("inf") else f" and below {below:g}")
        raise InvalidInput(f"{name} is {value!r}.", remedy=f"Give a number {span}.")
    object.__setattr__(strategy, name, float(value))


def is_whole(value: object, minimum: int) -> bool:
    """Say whether a value is a whole number that is at least `minimum`; true and false are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= minimum)


def is_between(value: object, above: float, below: float) -> bool:
    """Say whether a value is a finite number strictly between two bounds."""
    return is_number(value) and above < value < below


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value is a finite real number, numpy's included; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    return bool(np.isfinite(value))
