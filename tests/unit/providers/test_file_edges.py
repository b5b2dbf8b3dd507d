"""Provider `files` at its edges: nothing is lost or mistaken silently, and no library's own error reaches a user."""

import io
import random
import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
import yaml

from investlab.core.errors import InvalidInput, InvestlabError
from tests.unit.providers.test_files import (
    FIXTURES,
    RULES,
    describe,
    load,
    load_cells,
    load_table,
    load_text,
    provider,
)

HEADER = ("s", "d", "c")


def remade(workbook: bytes, pattern: bytes, replacement: bytes) -> bytes:
    """Return a workbook in whose first sheet a pattern is replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            is_sheet = name == "xl/worksheets/sheet1.xml"
            new.writestr(name, re.sub(pattern, replacement, content) if is_sheet else content)
    return made.getvalue()


def workbook(*rows: Sequence[object]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    return book


def saved(book: openpyxl.Workbook) -> bytes:
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def test_a_sheet_that_states_too_small_a_size_loses_no_row(tmp_path: Path) -> None:
    content = saved(
        workbook(HEADER, ("AAA", "2024-01-02", 1.0), ("AAA", "2024-01-03", 2.0), ("BBB", "2024-01-03", 3.0))
    )
    folder = describe(tmp_path / "made")
    (folder / "bars.xlsx").write_bytes(remade(content, rb'<dimension ref="[^"]*"', b'<dimension ref="A1:C2"'))
    assert load(tmp_path, "made")["close"].tolist() == [1.0, 2.0, 3.0]


def test_a_chart_is_no_sheet_of_bars(tmp_path: Path) -> None:
    book = workbook(HEADER, ("AAA", "2024-01-02", 1.0))
    chart = openpyxl.chart.BarChart()
    chart.add_data(openpyxl.chart.Reference(book.active, 3, 2))
    book.create_chartsheet("Chart").add_chart(chart)
    folder = describe(tmp_path / "made")
    (folder / "bars.xlsx").write_bytes(saved(book))
    assert len(load(tmp_path, "made")) == 1
    describe(folder, sheet="Chart")
    with pytest.raises(InvalidInput, match="holds no sheet 'Chart'"):
        load(tmp_path, "made")


@pytest.mark.parametrize("text", ["0,123", "00,123", "000,123"])
def test_what_begins_with_nought_is_no_group_of_thousands(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match=r"bars\.csv, line 2, column 'c'"):
        load_text(tmp_path, f's,d,c\nAAA,2024-01-02,"{text}"\n', numbers={"thousands": ","})


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("Mon 2024-01-03", {"format": "%a %Y-%m-%d"}),
        ("9999-12-31 16:00", {"format": "%Y-%m-%d %H:%M", "zone": "America/New_York"}),
        ("2300-01-03 16:00", {"format": "%Y-%m-%d %H:%M", "zone": "America/New_York"}),
        ("0001-01-01 00:00", {"format": "%Y-%m-%d %H:%M", "zone": "UTC"}),
        ("1980-01-03 16:00", {"format": "%Y-%m-%d %H:%M", "zone": "America/New_York"}),
    ],
)
def test_a_moment_in_no_session_is_refused(tmp_path: Path, text: str, rules: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=r"bars\.csv, line 2, column 'd'"):
        load_text(tmp_path, f"s,d,c\nAAA,{text},5\n", dates=rules)


def test_a_weekday_that_fits_its_date_is_read(tmp_path: Path) -> None:
    found = load_text(tmp_path, "s,d,c\nAAA,Wednesday 2024-01-03,5\n", dates={"format": "%A %Y-%m-%d"})
    assert found["session"].dt.day.tolist() == [3]


@pytest.mark.parametrize("rules", [{}, {"symbols": {"pattern": "(?P<symbol>X?).*"}}])
def test_a_symbol_must_be_printable_text(tmp_path: Path, rules: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=r"bars\.csv, line 2, column 's'"):
        load_text(tmp_path, "s,d,c\nA\0A,2024-01-02,5\n", **rules)


@pytest.mark.parametrize(
    ("content", "encoding", "place"),
    [
        (b"s,d,c\nAAA,2024-01-02,5\nA\x81A,2024-01-02,5\n", "cp1252", "bars.csv, line 3, column 's': the byte 0x81"),
        (b"s,d,c\nAAA,2024-01-02,5\rA\xff,2024-01-02,5\n", None, "bars.csv, line 3, column 's': the byte 0xff"),
        ("s,d,c\nAAA,2024-01-02,5\n".encode("utf-16") + b"A", None, "bars.csv, line 3"),
    ],
)
def test_bytes_that_are_no_text_are_placed_in_any_encoding(
    tmp_path: Path, content: bytes, encoding: str | None, place: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_text(tmp_path, content, text={"encoding": encoding})
    assert caught.value.detail.startswith(place)


@pytest.mark.parametrize(
    "columns",
    [
        {"d": pa.array([{"x": 1}])},
        {"s": pa.array([["A"]])},
        {"d": pa.array([-62135596800], pa.timestamp("s", "UTC"))},
        {"d": pa.array([10**15], pa.timestamp("s"))},
        {"d": pa.array([10**8], pa.date32())},
    ],
)
def test_a_table_with_values_beyond_ours_is_refused(tmp_path: Path, columns: dict[str, pa.Array]) -> None:
    plain = {"s": pa.array(["AAA"]), "d": pa.array(["2024-01-02"]), "c": pa.array([1.5])}
    (name,) = columns
    with pytest.raises(InvalidInput, match=rf"bars\.parquet.*, column '{name}'"):
        load_table(tmp_path, pa.table({**plain, **columns}))


def test_a_table_with_views_of_text_is_read(tmp_path: Path) -> None:
    cells = {"s": "AAA", "d": "2024-01-02", "c": "1.5"}
    views = {name: pa.array([cell], pa.string_view()) for name, cell in cells.items()}
    assert load_table(tmp_path, pa.table(views))["close"].tolist() == [1.5]


def test_files_without_rows_must_have_the_columns_too(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"bars\.xlsx, column 'c'"):
        load_cells(tmp_path / "sheet", ("s", "d", "x"))
    with pytest.raises(InvalidInput, match=r"bars\.parquet, column 'c'"):
        load_table(tmp_path / "table", pa.table({"s": pa.array([], pa.string())}))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"dates": {"format": "%Y-%m-%d %H:%M %p", "zone": "UTC"}}, "%p counts with %I alone"),
        ({"dates": {"format": "%Y-%m-%d %I:%M", "zone": "UTC"}}, "%I, need %p"),
        ({"text": {"encoding": "hex"}}, "'hex' is no encoding"),
        ({"text": {"encoding": "punycode"}}, "'punycode' is no encoding"),
        ({"text": {"delimiter": '"'}}, "cannot stand between fields"),
        ({"text": {"delimiter": "5"}}, "cannot stand between fields"),
        ({"text": {"comment": '"'}}, "begins fields"),
        ({"files": ["/etc/*"]}, "within the dataset's folder"),
        ({"files": ["../*"]}, "within the dataset's folder"),
        ({"name": "../elsewhere"}, "no name of a dataset"),
        ({"layout": ["yahoo"]}, "Unknown layout"),
    ],
)
def test_a_description_that_would_mislead_is_refused(tmp_path: Path, rules: dict[str, object], said: str) -> None:
    describe(tmp_path / "made", **rules)
    with pytest.raises(InvestlabError, match=said):
        provider(tmp_path).datasets()


def test_a_description_with_a_day_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = describe(tmp_path / "made") / "dataset.yaml"
    path.write_text(yaml.safe_dump({**RULES, "title": None}).replace("null", "2024-13-45"), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"dataset\.yaml cannot be understood"):
        provider(tmp_path).datasets()


@pytest.mark.parametrize("name", ["compressed", "excel", "parquet", "utf16", "yahoo"])
def test_damage_anywhere_is_told_in_our_own_words(tmp_path: Path, name: str) -> None:
    shutil.copytree(FIXTURES / name, tmp_path / name)
    path = next(path for path in sorted((tmp_path / name).iterdir()) if not path.name.startswith("dataset"))
    whole = path.read_bytes()
    dice = random.Random(name)
    told: list[str] = []
    for _ in range(25):
        place = dice.randrange(len(whole))
        path.write_bytes(whole[:place] + dice.randbytes(2) + whole[place + dice.randrange(9) :])
        try:
            load(tmp_path, name)
        except InvestlabError as error:
            told.append(error.detail)
    assert told
    assert all(path.name in detail for detail in told)


def test_the_description_in_the_documentation_loads_what_it_describes(tmp_path: Path) -> None:
    text = (FIXTURES.parents[3] / "docs" / "data-files.md").read_text(encoding="utf-8")
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "dataset.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    rows = ("AAA;Made Up;02.01.2024;1.101,25;1,5", "BBB;Made Up;02.01.2024;n/a;", "Summe;;;;1,5")
    (folder / "bars.csv").write_bytes("\n".join(("Kürzel;Name;Datum;Schluss;Stück", *rows)).encode("cp1252"))
    found = load(tmp_path, "made")
    assert found["close"].fillna(0).tolist() == [1101.25, 0.0]
    assert found["volume"].fillna(0).tolist() == [1500.0, 0.0]
