"""Notebooks are found only inside their folder, and hashed by what they say."""

from pathlib import Path

import nbformat
import pytest

from investlab.core.errors import InvalidInput, NotFound
from investlab.pipelines.notebooks import find_notebook, modules_hash, notebook_hash, read_notebook, write_notebook


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "notebooks"
    (inside / "deep").mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    for path in (inside / "01_a.ipynb", inside / "deep" / "02_b.ipynb", tmp_path / "outside.ipynb"):
        write_notebook(notebook, path)
    return inside


@pytest.mark.parametrize("name", ["01_a.ipynb", "deep/02_b.ipynb"])
def test_a_plain_relative_path_is_found(folder: Path, name: str) -> None:
    assert find_notebook(folder, name) == (folder / name).resolve()


@pytest.mark.parametrize(
    "name",
    [
        "../outside.ipynb",
        "deep/../../outside.ipynb",
        "/etc/passwd",
        "/01_a.ipynb",
        "C:/01_a.ipynb",
        "%2e%2e/outside.ipynb",
        "%252e%252e/outside.ipynb",
        "..\\outside.ipynb",
        "01_a.ipynb\x00.png",
        "\x0001_a.ipynb",
        "~/01_a.ipynb",
        ".ipynb_checkpoints/01_a.ipynb",
        "file:01_a.ipynb",
        "01_a.py",
        "",
    ],
)
def test_a_hostile_path_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="is refused"):
        find_notebook(folder, name)


def test_a_link_that_leads_out_is_refused(folder: Path) -> None:
    (folder / "link.ipynb").symlink_to(folder.parent / "outside.ipynb")
    (folder / "away").symlink_to(folder.parent)
    for name in ("link.ipynb", "away/outside.ipynb"):
        with pytest.raises(InvalidInput, match="leads out of notebooks"):
            find_notebook(folder, name)


def test_a_missing_notebook_names_near_ones(folder: Path) -> None:
    with pytest.raises(NotFound, match=r"Unknown notebook '01_b\.ipynb'\. Did you mean 01_a\.ipynb"):
        find_notebook(folder, "01_b.ipynb")


def test_a_file_that_is_no_notebook_is_refused(folder: Path) -> None:
    for text in ("{}", "not json", '{"cells": 1, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'):
        (folder / "bad.ipynb").write_text(text)
        with pytest.raises(InvalidInput, match=r"bad\.ipynb is no notebook"):
            read_notebook(folder / "bad.ipynb")


def test_the_hash_ignores_outputs_and_sees_source_and_tags(folder: Path) -> None:
    notebook = read_notebook(folder / "01_a.ipynb")
    first = notebook_hash(notebook)
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="2")]
    notebook.cells[0].execution_count = 7
    assert notebook_hash(notebook) == first
    notebook.cells[0].metadata["tags"] = ["parameters"]
    assert notebook_hash(notebook) != first
    notebook.cells[0].metadata["tags"] = []
    notebook.cells[0].source = "1 + 2"
    assert notebook_hash(notebook) != first


def test_modules_beside_the_notebooks_count(folder: Path) -> None:
    first = modules_hash(folder)
    (folder / "signals.py").write_text("A = 1\n")
    assert modules_hash(folder) != first
