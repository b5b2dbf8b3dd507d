"""Only markup is markup: all other text is escaped wherever it goes."""

from investlab.charts.markup import Html, definitions, element, join, table, text
from tests.unit.charts.values import HOSTILE


def test_text_is_escaped_and_markup_is_not() -> None:
    assert text("<b>&") == "&lt;b&gt;&amp;"
    assert text(Html("<b>")) == "<b>"


def test_children_and_attributes_are_escaped() -> None:
    built = element("p", HOSTILE, title=HOSTILE)
    assert "<img" not in built
    assert "<script" not in built
    assert built.count("<") == 2


def test_a_separator_is_escaped() -> None:
    assert join(["a", "b"], " < ") == "a &lt; b"


def test_terms_without_a_value_are_left_out() -> None:
    assert "Empty" not in definitions([("Empty", ""), ("None", None), ("Full", "0")], "c")
    assert "<dt>Full</dt><dd>0</dd>" in definitions([("Full", "0")], "c")


def test_tables_escape_headers_cells_and_captions() -> None:
    built = table([HOSTILE, "x"], [[HOSTILE, HOSTILE]], HOSTILE)
    assert "<img" not in built
    assert '<th scope="row">' in built
