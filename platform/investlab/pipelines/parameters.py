"""Notebook parameters: what a notebook declares, and whether given values fit, before anything runs.

papermill injects parameter names as code, so a name counts only when the notebook's own parameters cell assigns it.
"""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any

from nbformat import NotebookNode
from pydantic import JsonValue

from investlab.core.errors import InvalidInput, UnknownParameter

_MOST_BITS = 63
_DEEPEST = 20
_KINDS: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "float": (int, float),
    "int": (int,),
    "list": (list,),
    "None": (type(None),),
    "str": (str,),
}


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter of a notebook: its name, its type as Python writes it ("" for any), and its default."""

    name: str
    kind: str
    default: Any


def declared_parameters(notebook: NotebookNode, name: str) -> dict[str, Declared] | None:
    """Return the parameters that a notebook's first cell tagged `parameters` assigns, or None without such a cell.

    Raises:
        InvalidInput: That cell does anything but assign literals to names.
    """
    cell = next((c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])), None)
    if cell is None:
        return None
    try:
        return {found.name: found for found in map(_declared, ast.parse(cell.source).body)}
    except (SyntaxError, ValueError) as error:
        raise InvalidInput(
            f"The parameters cell of {name} does more than assign literals: {error}.",
            remedy="Write lines such as `top: int = 20` there and put everything else in another cell.",
        ) from error


def _declared(line: ast.stmt) -> Declared:
    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None:
        return Declared(line.target.id, ast.unparse(line.annotation), ast.literal_eval(line.value))
    if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
        default = ast.literal_eval(line.value)
        return Declared(line.targets[0].id, "" if default is None else type(default).__name__, default)
    raise ValueError(f"line {line.lineno} is {ast.unparse(line)[:60]!r}")


def check_parameters(
    declared: Mapping[str, Declared] | None, given: Mapping[str, JsonValue], notebook: str
) -> dict[str, JsonValue]:
    """Return the given values ordered by name, once every name is declared and every value has the declared type.

    Raises:
        UnknownParameter: A name is not declared; near matches are named.
        InvalidInput: The notebook declares none, or a value is of another type or no plain JSON.
    """
    if declared is None:
        if given:
            raise InvalidInput(
                f"{notebook} takes no parameters, but {', '.join(sorted(given))} was given.",
                remedy="Tag the cell that assigns its defaults with `parameters`.",
            )
        return {}
    for name, value in given.items():
        if name not in declared or not name.isidentifier() or iskeyword(name):
            near = get_close_matches(name, declared, n=3)
            hint = f"Did you mean {', '.join(near)}?" if near else f"It declares {', '.join(declared) or 'none'}."
            raise UnknownParameter(f"{notebook} declares no parameter {name!r}.", remedy=hint, details={"near": near})
        _require_json(name, value)
        kind = declared[name].kind
        if kind and not _fits(ast.parse(kind, mode="eval").body, value):
            raise InvalidInput(
                f"The parameter {name!r} of {notebook} is {kind}, not {type(value).__name__} ({value!r:.40}).",
                remedy="Give a value of that type.",
            )
    return dict(sorted(given.items()))


def _require_json(name: str, value: object, depth: int = 0) -> None:
    plain = value is None or isinstance(value, (bool, str))
    if isinstance(value, int) and not plain:
        plain = value.bit_length() <= _MOST_BITS
    elif isinstance(value, float):
        plain = math.isfinite(value)
    elif isinstance(value, (list, dict)) and depth < _DEEPEST:
        items = [*value, *value.values()] if isinstance(value, dict) else value
        plain = isinstance(value, list) or all(isinstance(key, str) for key in value)
        for item in items:
            _require_json(name, item, depth + 1)
    if not plain or type(value) not in (type(None), bool, str, int, float, list, dict):
        raise InvalidInput(
            f"The parameter {name!r} holds {value!r:.40}, which is no plain JSON value.",
            remedy="Give text, finite numbers, true, false, null, or lists and mappings of them; dates as 2021-12-31.",
        )


def _fits(kind: ast.expr, value: object) -> bool:
    """Say whether a value is of an annotated type; types that JSON does not have accept everything."""
    if isinstance(kind, ast.Constant):
        text = kind.value
        return _fits(ast.parse(text, mode="eval").body, value) if isinstance(text, str) else value is None
    if isinstance(kind, ast.BinOp):
        return _fits(kind.left, value) or _fits(kind.right, value)
    if isinstance(kind, ast.Subscript):
        return _fits_subscript(kind, value)
    name = kind.attr if isinstance(kind, ast.Attribute) else kind.id if isinstance(kind, ast.Name) else ""
    accepted = _KINDS.get(name)
    if accepted is None:
        return True
    return isinstance(value, accepted) and (bool in accepted or not isinstance(value, bool))


def _fits_subscript(kind: ast.Subscript, value: object) -> bool:
    name = kind.value.attr if isinstance(kind.value, ast.Attribute) else ast.unparse(kind.value)
    inner = kind.slice.elts if isinstance(kind.slice, ast.Tuple) else [kind.slice]
    if name == "Literal":
        return value in [ast.literal_eval(choice) for choice in inner]
    if name in ("Optional", "Union"):
        return (name == "Optional" and value is None) or any(_fits(part, value) for part in inner)
    if name in ("list", "List"):
        return isinstance(value, list) and all(_fits(inner[0], item) for item in value)
    if name in ("dict", "Dict"):
        return isinstance(value, dict) and all(_fits(inner[-1], item) for item in value.values())
    return True
