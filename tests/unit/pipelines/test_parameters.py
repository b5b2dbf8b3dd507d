"""Parameters are checked before anything runs, and can never become code."""

import ast
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.translators import PythonTranslator

from investlab.core.errors import InvalidInput, InvestlabError, UnknownParameter
from investlab.pipelines.parameters import Declared, check_parameters, declared_parameters

CELL = """
top: int = 20
cost_bps = 5.0
symbols: list[str] = ["AAPL"]
until: str | None = None
mode: Literal["fast", "slow"] = "fast"
weights: dict[str, float] = {}
dry_run = False
anything = None
limit: "Optional[float]" = None
"""


def notebook(source: str, tag: str = "parameters") -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": [tag]})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A"), cell])


@pytest.fixture(scope="module")
def declared() -> dict[str, Declared]:
    found = declared_parameters(notebook(CELL), "a.ipynb")
    assert found is not None
    return found


def test_names_types_and_defaults_are_read_from_the_tagged_cell(declared: dict[str, Declared]) -> None:
    assert declared["top"] == Declared("top", "int", 20)
    assert declared["cost_bps"] == Declared("cost_bps", "float", 5.0)
    assert declared["anything"] == Declared("anything", "", None)
    assert len(declared) == 9


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "top = len('x')",
        "top, low = 1, 2",
        "top: int",
        "a.b = 1",
        "x = y = 1",
        "%matplotlib inline",
        "print(1)",
    ],
)
def test_a_cell_that_does_more_than_assign_literals_is_refused(source: str) -> None:
    with pytest.raises(InvalidInput, match=r"The parameters cell of a.ipynb does more than assign literals"):
        declared_parameters(notebook(source), "a.ipynb")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top", 5),
        ("cost_bps", 5),
        ("cost_bps", 0.5),
        ("symbols", []),
        ("until", None),
        ("until", "2021-12-31"),
        ("mode", "slow"),
        ("weights", {"AAPL": 1}),
        ("dry_run", True),
        ("anything", [1, {"a": None}]),
        ("limit", 2.5),
    ],
)
def test_a_value_of_the_declared_type_is_accepted(declared: dict[str, Declared], name: str, value: Any) -> None:
    assert check_parameters(declared, {name: value}, "a.ipynb") == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top", "5"),
        ("top", True),
        ("top", 5.0),
        ("cost_bps", "5; import os"),
        ("symbols", "AAPL"),
        ("symbols", [1]),
        ("until", 2021),
        ("mode", "other"),
        ("weights", {"AAPL": "1"}),
        ("dry_run", 1),
        ("anything", float("nan")),
        ("anything", 2**80),
        ("anything", {1: 2}),
        ("anything", (1, 2)),
        ("anything", object()),
        ("limit", "2"),
    ],
)
def test_a_value_of_another_type_is_refused(declared: dict[str, Declared], name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"The parameter '{name}'"):
        check_parameters(declared, {name: value}, "a.ipynb")


def test_an_undeclared_name_is_refused_with_near_matches(declared: dict[str, Declared]) -> None:
    with pytest.raises(UnknownParameter, match=r"declares no parameter 'simbols'\. Did you mean symbols\?"):
        check_parameters(declared, {"simbols": []}, "a.ipynb")


def test_a_notebook_without_the_cell_takes_none() -> None:
    assert declared_parameters(notebook(CELL, tag="other"), "a.ipynb") is None
    assert check_parameters(None, {}, "a.ipynb") == {}
    with pytest.raises(InvalidInput, match=r"a\.ipynb takes no parameters, but top was given"):
        check_parameters(None, {"top": 1}, "a.ipynb")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(['"', "\\", '\\"', "\n", "\x00", "'''"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    st.sampled_from(["anything", "top", "symbols", "until", "weights"])
    | st.text(max_size=20)
    | st.sampled_from(["import os; x", "x\ny", "top=1;y", "class", "anything ", "__import__('os')"])
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_no_parameter_set_becomes_anything_but_assignments_of_its_own_values(given_values: dict[str, Any]) -> None:
    declared = declared_parameters(notebook(CELL), "a.ipynb")
    try:
        accepted = check_parameters(declared, given_values, "a.ipynb")
    except InvestlabError:
        return
    lines = ast.parse(PythonTranslator.codify(accepted)).body
    assert all(isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) for line in lines)
    assert {line.targets[0].id: ast.literal_eval(line.value) for line in lines} == accepted  # type: ignore[attr-defined]
