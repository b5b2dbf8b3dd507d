"""The picture of the tables is drawn from the model as it is."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from investlab.models.core import Base

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def drawing() -> ModuleType:
    """The script that draws the picture."""
    spec = importlib.util.spec_from_file_location("draw_schema", DOCS / "draw_schema.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_up_to_date(drawing: ModuleType) -> None:
    assert (DOCS / "schema.svg").read_text(encoding="utf-8") == drawing.draw(), "run `python docs/draw_schema.py`"


def test_the_picture_names_every_table_and_column() -> None:
    picture = (DOCS / "schema.svg").read_text(encoding="utf-8")
    drawn = dict(re.findall(r'<g id="table-(\w+)">(.*?)</g>', picture, re.DOTALL))
    assert set(drawn) == set(Base.metadata.tables)
    for name, table in Base.metadata.tables.items():
        shown = re.findall(r'class="column[^>]*>(\w+)\??<', drawn[name])
        assert shown == list(table.columns.keys()), name


def test_a_table_without_a_place_is_refused(drawing: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = MetaData()
    for table in Base.metadata.sorted_tables:
        table.to_metadata(metadata)
    Table("strangers", metadata, Column("id", Integer, primary_key=True))
    monkeypatch.setattr(drawing, "Base", type("Base", (), {"metadata": metadata}))
    with pytest.raises(SystemExit, match="strangers has no area"):
        drawing.draw()
