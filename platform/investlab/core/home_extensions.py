"""Strategies in files of the home's `extensions` folder, found by name as those of installed packages are.

Finding them only parses the files: nothing of theirs is executed until one is looked up by its name. What is then
executed has all the rights of the process, as a notebook's cells have; so the folder belongs to whoever owns the home,
and investlab never writes into it but when it is told to.
"""

import ast
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from investlab.core.errors import Conflict, InvalidInput, NotFound

FOLDER = "extensions"
_MODULE = "investlab_home"
"""The package that modules of the folder seem to be of; it does not exist, so they travel to workers by value."""
_DECIDES = {"signals", "weights"}


@dataclass(frozen=True, slots=True)
class HomeStrategy:
    """A strategy that a file declares: a class with a text `name` and a method `signals` or `weights`."""

    name: str
    class_name: str
    path: Path
    line: int

    @property
    def source(self) -> str:
        """Return the file with the line of the class."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file that cannot be read as Python, and where."""

    path: Path
    line: int
    reason: str

    @property
    def sentence(self) -> str:
        """Return what is wrong, with file and line."""
        return f"{self.path}, line {self.line}, cannot be read: {self.reason}."


@dataclass(frozen=True, slots=True)
class HomeExtensions:
    """What the folder holds: strategies ordered by name, and the files that cannot be read, which hide no other."""

    strategies: tuple[HomeStrategy, ...]
    broken: tuple[BrokenFile, ...]


def read_home_extensions(folder: Path) -> HomeExtensions:
    """Return what the Python files of a folder declare; nothing is executed. A missing folder holds nothing."""
    found: list[HomeStrategy] = []
    broken: list[BrokenFile] = []
    for path in sorted(folder.glob("*.py")):
        try:
            found += _declared(path, ast.parse(path.read_bytes(), str(path)))
        except SyntaxError as error:
            broken.append(BrokenFile(path, error.lineno or 1, error.msg))
        except (OSError, ValueError) as error:
            broken.append(BrokenFile(path, 1, str(error)))
    return HomeExtensions(tuple(sorted(found, key=lambda each: (each.name, each.source))), tuple(broken))


def load_home_strategy(folder: Path, name: str) -> object:
    """Execute the file that declares the strategy `name` and return its class; every call executes it anew.

    Raises:
        NotFound: No file declares it; near matches are named, and files that cannot be read.
        Conflict: Two classes declare it.
        InvalidInput: The file failed when it was executed; its line is named.
    """
    held = read_home_extensions(folder)
    found = [each for each in held.strategies if each.name == name]
    if not found:
        broken = " ".join(each.sentence for each in held.broken)
        raise NotFound.named("strategy", name, (each.name for each in held.strategies), remedy=broken)
    if len(found) > 1:
        raise Conflict(
            f"The strategy name {name!r} is declared twice: {' and '.join(each.source for each in found)}.",
            remedy="Rename one of them.",
        )
    return vars(execute_file(found[0].path))[found[0].class_name]


def execute_file(path: Path) -> ModuleType:
    """Execute a Python file and return its module, which is not registered anywhere.

    Raises:
        InvalidInput: It failed; its line is named.
    """
    return execute_text(path.read_text(encoding="utf-8"), path)


def execute_text(text: str, path: Path) -> ModuleType:
    """Execute the text of a Python file that lies, or will lie, at `path`, and return its module.

    Raises:
        InvalidInput: It failed; its line is named.
    """
    module = ModuleType(f"{_MODULE}.{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up while they are made
    try:
        exec(compile(text, str(path), "exec"), vars(module))  # noqa: S102 (the user's own file, looked up by name)
    except (Exception, SystemExit) as error:
        line = _line_of(error, path)
        raise InvalidInput(
            f"The extension {path}, line {line}, failed: {type(error).__name__}: {error}.",
            remedy="Mend the file, or move it out of the folder.",
            details={"path": str(path), "line": line},
        ) from error
    finally:
        del sys.modules[module.__name__]
    return module


def _line_of(error: BaseException, path: Path) -> int:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] or 1 if lines else 1


def _declared(path: Path, tree: ast.Module) -> Iterator[HomeStrategy]:
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in classes.values():
        name = _text_of(node, "name")
        if name and _DECIDES & _methods(node, classes):
            yield HomeStrategy(name, node.name, path, node.lineno)


def _text_of(node: ast.ClassDef, wanted: str) -> str | None:
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        value = statement.value
        named = any(isinstance(target, ast.Name) and target.id == wanted for target in targets)
        if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None


def _methods(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> set[str]:
    """Return the methods of a class and of its bases in the same file."""
    found = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    for base in node.bases:
        known = classes.get(base.id) if isinstance(base, ast.Name) else None
        if known is not None and known is not node:
            found |= _methods(known, {name: each for name, each in classes.items() if each is not node})
    return found
