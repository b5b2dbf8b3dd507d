"""Reading values from the command line: lists, name=value pairs, grids."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from investlab.core.errors import InvalidInput

RANGE_PARTS = (2, 3)

Symbols = Annotated[str, typer.Option(help="Symbols separated by commas.")]
AsOf = Annotated[str | None, typer.Option(help="Read only what was known by then, such as 2021-12-31.")]
Dataset = Annotated[str, typer.Option(help="Name of the dataset.")]
Start = Annotated[str | None, typer.Option(help="First session, such as 2010-01-04.")]
End = Annotated[str | None, typer.Option(help="Last session.")]


def listed(text: str) -> list[str]:
    """Return the parts of a comma-separated text."""
    return [part.strip() for part in text.split(",") if part.strip()]


def pairs(given: Iterable[str]) -> dict[str, str]:
    """Return name=value texts as a dictionary.

    Raises:
        InvalidInput: A text has no `=`, or its name is no identifier.
    """
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.strip().isidentifier():
            raise InvalidInput(f"{text!r} is no parameter.", remedy="Write it as name=value.")
        found[name.strip()] = value
    return found


def parameters(given: Iterable[str]) -> dict[str, Any]:
    """Return name=value texts with numbers, booleans and JSON read as such."""
    return {name: value_of(text) for name, text in pairs(given).items()}


def grid(given: Iterable[str]) -> dict[str, list[Any]]:
    """Return a grid from name=5:50, name=5:50:5 (both ends included) or name=5,10,20."""
    return {name: _values(text) for name, text in pairs(given).items()}


def value_of(text: str) -> Any:
    """Return a text's JSON value, or the text itself when it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _values(text: str) -> list[Any]:
    parts = [part.strip() for part in text.split(":")]
    if len(parts) in RANGE_PARTS and all(part.lstrip("-").isdigit() for part in parts):
        first, last, *step = (int(part) for part in parts)
        if step and step[0] == 0:
            raise InvalidInput(f"The range {text!r} has step 0.", remedy="Write it as first:last:step with a step.")
        return list(range(first, last + 1, step[0] if step else 1))
    return [value_of(part) for part in listed(text)]
