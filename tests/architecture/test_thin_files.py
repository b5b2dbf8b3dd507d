"""Pages, services and notebooks are thin: what they may import is the package's face for them, and little else."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_LINES = 100
ALLOWED = {
    "dashboards": ("investlab.views",),
    "bentos": (
        "bentoml",
        "investlab.api.scoring",
        "investlab.api.standalone",
        "investlab.schemas",
        "investlab.services",
    ),
    "notebooks": ("investlab", "numpy", "pandas"),
}


def _sources(folder: str) -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / folder).glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        yield str(path.relative_to(ROOT)), "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _strangers(source: str, allowed: tuple[str, ...]) -> list[str]:
    return [
        name
        for name in _imported(source)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(name == each or name.startswith(f"{each}.") for each in allowed)
    ]


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_only_the_packages_face_is_imported(folder: str) -> None:
    found = {name: _strangers(source, ALLOWED[folder]) for name, source in _sources(folder)}
    assert found
    assert not {name: strangers for name, strangers in found.items() if strangers}


@pytest.mark.parametrize("folder", ["bentos", "dashboards"])
def test_files_are_short_and_no_packages(folder: str) -> None:
    assert not list((ROOT / folder).rglob("__init__.py"))
    assert not [name for name, source in _sources(folder) if len(source.splitlines()) > LONGEST_LINES]


def test_notebooks_name_only_the_public_face() -> None:
    named = {name for _, source in _sources("notebooks") for name in _imported(source) if "investlab" in name}
    assert named == {"investlab"}


def test_the_check_sees_a_stranger() -> None:
    assert _strangers("import sqlalchemy\nfrom investlab.views import desk\nimport json", ("investlab.views",)) == [
        "sqlalchemy"
    ]
