"""Where something defined in a notebook is written down: its statement in the cell, and the names that it reads."""

import ast
import functools
import inspect
import linecache
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

Statement = ast.ClassDef | ast.FunctionDef | ast.Assign


@dataclass(frozen=True, slots=True)
class Definition:
    """A statement as text, and the namespace that its names are looked up in."""

    text: str
    namespace: dict[str, Any]

    @property
    def reads(self) -> list[str]:
        """Return the names that it reads from its module or, where that lacks them, from the builtins; ordered."""
        names = set(_module_names(symtable.symtable(self.text, "<definition>", "exec")))
        return sorted(names - {"__name__", "__class__"})

    def attributes(self, name: str) -> list[str]:
        """Return the dotted names such as `scipy.stats.norm` that begin with `name`, the longest of each."""
        found = (_dotted(node) for node in ast.walk(ast.parse(self.text)) if isinstance(node, ast.Attribute))
        return sorted({dotted for dotted in found if dotted and dotted.partition(".")[0] == name})


def definition_of(name: str, value: object) -> Definition | None:
    """Return the top-level statement of a cell or file that made `value` and called it `name`; None if none is found.

    A compiled or wrapped function is made by its decorated `def`. A class without functions of its own is looked for
    in the latest cells of a notebook that define its name.
    """
    for function in _functions(value):
        code = function.__code__
        text = "".join(linecache.getlines(code.co_filename))
        for statement in _statements(text):
            if _start(statement) <= code.co_firstlineno <= (statement.end_lineno or 0) and _names(statement) == name:
                return Definition(_cut(text, statement), function.__globals__)
    if isinstance(value, type) and value.__module__ == "__main__":
        notebook = vars(sys.modules["__main__"])
        for text in reversed(notebook.get("In", ())):
            for statement in _statements(text):
                if isinstance(statement, ast.ClassDef) and statement.name == name:
                    return Definition(_cut(text, statement), notebook)
    return None


def is_plain(value: object) -> bool:
    """Say whether a value's `repr` is Python that gives it back: numbers, texts and containers of them."""
    try:
        same: bool = ast.literal_eval(repr(value)) == value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return same and type(ast.literal_eval(repr(value))) is type(value)


def _functions(value: object) -> Iterator[FunctionType]:
    """Yield the functions that a function, class or wrapper is made of."""
    if isinstance(value, type):
        for part in vars(value).values():
            inner = part.fget if isinstance(part, property) else getattr(part, "__func__", part)
            yield from (each for each in _functions(inner) if not isinstance(inner, type))
        return
    if isinstance(value, functools.partial):
        return
    value = inspect.unwrap(getattr(value, "py_func", value))  # type: ignore[arg-type]  # numba keeps the function there
    if isinstance(value, FunctionType):
        yield value


def _statements(text: str) -> list[Statement]:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # the cell holds commands of Jupyter
        return []
    return [node for node in tree.body if isinstance(node, Statement)]


def _cut(text: str, statement: Statement) -> str:
    lines = text.splitlines(keepends=True)[_start(statement) - 1 : statement.end_lineno]
    return "".join(lines).rstrip() + "\n"


def _start(statement: Statement) -> int:
    decorators = [] if isinstance(statement, ast.Assign) else statement.decorator_list
    return min((each.lineno for each in decorators), default=statement.lineno)


def _names(statement: Statement) -> str | None:
    """Return what a statement names; of assignments, only that of a lambda to one name counts."""
    if not isinstance(statement, ast.Assign):
        return statement.name
    target = statement.targets[0]
    single = len(statement.targets) == 1 and isinstance(statement.value, ast.Lambda)
    return target.id if single and isinstance(target, ast.Name) else None


def _module_names(table: symtable.SymbolTable) -> Iterator[str]:
    outermost = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (outermost or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _module_names(child)


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if not isinstance(node, ast.Attribute):
        return None
    before = _dotted(node.value)
    return None if before is None else f"{before}.{node.attr}"
