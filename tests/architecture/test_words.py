"""The glossary's words: one term each, in code, schemas, tables and the command line."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "platform" / "investlab"
BANNED_WORD = "tick" + "er"
BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|data2|manager)($|_)", re.IGNORECASE)
SCHEMA_PACKAGES = ("models", "schemas", "cli", "migrations")


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def _lower_text(path: Path) -> str:
    return path.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("package", SCHEMA_PACKAGES)
def test_the_banned_word_is_nowhere_in_models_schemas_and_command_line(package: str) -> None:
    place = PACKAGE / package
    files = [place] if place.suffix else sorted(place.rglob("*.py"))
    assert files
    assert not [str(path) for path in files if BANNED_WORD in _lower_text(path)]


def test_no_name_in_the_package_uses_the_banned_word() -> None:
    found = [
        f"{path.name}: {name}"
        for path in _modules()
        for name in _names(ast.parse(path.read_text(encoding="utf-8")))
        if BANNED_WORD in name.lower()
    ]
    assert not found


def test_the_check_of_names_sees_every_kind_of_name() -> None:
    word = BANNED_WORD
    tree = ast.parse(f"def {word}_a({word}_b): {word}_c = 1\nclass {word}_d: ...\nx.{word}_e = 2")
    assert {name for name in _names(tree) if word in name} == {f"{word}_{letter}" for letter in "abcde"}


def test_no_module_is_named_after_nothing() -> None:
    assert not [path for path in _modules() if BANNED_NAMES.search(path.stem)]


@pytest.mark.slow
def test_no_public_name_or_command_uses_the_banned_word() -> None:
    probe = """
import investlab, typer
from investlab.core.extensions import COMMANDS, extensions, load_extension

def walk(command):
    yield command.name or ""
    yield from (parameter.name for parameter in command.params)
    for inner in getattr(command, "commands", {}).values():
        yield from walk(inner)

names = list(investlab.__all__)
for extension in extensions(COMMANDS):
    names += [extension.name, *walk(typer.main.get_command(load_extension(COMMANDS, extension.name)))]
print("\\n".join(names))
"""
    listed = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert {"PricePanel", "pipeline", "symbols", "sweep", "as_of"} <= set(listed.split())
    assert BANNED_WORD not in listed.lower()
