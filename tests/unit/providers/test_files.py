"""Provider `files`: every file loads to exactly the stated rows, or fails naming file, line and column."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from investlab.core.config import Settings
from investlab.core.errors import InvalidInput, InvestlabError, NotFound
from investlab.providers import file_plain
from investlab.providers.file_layouts import LAYOUTS
from investlab.providers.file_text import text_blocks
from investlab.providers.files import FilesProvider
from investlab.providers.protocol import FetchRequest
from investlab.schemas.files import TextRule
from investlab.schemas.market import PriceBasis
from tests.support.provider_conformance import ProviderConformance, read_all
from tests.support.workspaces import make_prices

FIXTURES = Path(__file__).resolve().parents[2] / "support" / "fixtures" / "bars"
NONE = float("nan")
CLOCK = dt.datetime(2024, 1, 3, 16)  # noqa: DTZ001  (a time that does not tell its zone)
DAILY = ("open", "high", "low", "close", "volume")
FIRST = ("AAA", "2024-01-02", 100.10, 101.50, 99.80, 101.25, 1_200_300.0)
SECOND = ("AAA", "2024-01-03", 101.30, 102.00, 100.70, 100.90, 980_400.0)

LOADED: dict[str, tuple[Sequence[str], Sequence[tuple[object, ...]]]] = {
    "alpaca": (
        DAILY,
        [
            ("AAA", "2024-03-08", 100.1, 101.5, 99.8, 101.25, 1_200_300.0),
            ("AAA", "2024-03-11", 101.3, 102.0, 100.7, 100.9, 980_400.0),
            ("BBB", "2024-03-11", 20.05, 20.4, 19.95, 20.1, 51_000.0),
        ],
    ),
    "ampm": (
        ("close",),
        [
            ("AAA", "2024-03-07", 101.25),
            ("AAA", "2024-03-11", 100.90),
            ("AAA", "2024-03-12", 99.55),
            ("AAA", "2024-03-13", 99.40),
        ],
    ),
    "bom": (DAILY, [FIRST, SECOND]),
    "cents": (
        ("close", "volume"),
        [
            ("AAA", "2024-01-02", 101.25, 1_200_300.0),
            ("AAA", "2024-01-03", 100.905, 980_400.0),
            ("BBB", "2024-01-02", 0.07, 0.0),
        ],
    ),
    "compressed": (DAILY, [FIRST, SECOND]),
    "excel": (
        ("close", "volume"),
        [
            ("AAA", "2024-01-02", 101.25, 1_200_300.0),
            ("AAA", "2024-01-03", 1100.90, 980_000.0),
            ("BBB", "2024-01-02", 20.0, NONE),
        ],
    ),
    "footer": (DAILY, [FIRST, SECOND]),
    "german": (
        DAILY,
        [SECOND, ("AAA", "2024-01-04", 1100.80, 1100.95, 1099.10, 1099.55, 1_500_250.0)],
    ),
    "mixed_line_ends": (DAILY, [FIRST, SECOND, ("AAA", "2024-01-04", 100.80, 100.95, 99.10, 99.55, 1_500_250.0)]),
    "parquet": (
        ("close", "volume"),
        [
            ("AAA", "2024-01-02", 101.25, 1_200_300.0),
            ("AAA", "2024-01-03", 100.90, 980_400.0),
            ("BBB", "2024-01-02", 20.10, 0.0),
        ],
    ),
    "stooq": (
        DAILY,
        [
            ("AAA", "2024-01-02", 100.1, 101.5, 99.8, 101.25, 1_200_300.0),
            ("AAA", "2024-01-03", 101.3, 102.0, 100.7, 100.9, 980_400.0),
            ("BRK-B", "2024-01-02", 356.5, 361.25, 355.0, 360.75, 4_250_000.0),
        ],
    ),
    "thousands": (
        DAILY,
        [
            ("AAA", "2024-01-02", 1100.10, 1101.50, 1099.80, 1101.25, 1_200_300.0),
            ("AAA", "2024-01-03", 1101.30, 1102.00, 1100.70, 1100.90, NONE),
        ],
    ),
    "utf16": (("close",), [("ÆRØ", "2024-01-02", 101.25), ("ÆRØ", "2024-01-03", 100.90)]),
    "yahoo": (
        (*DAILY, "adjusted_close"),
        [
            ("AAA", "2024-01-02", 100.099998, 101.500000, 99.800003, 101.250000, 1_200_300.0, 98.112305),
            ("AAA", "2024-01-03", NONE, NONE, NONE, NONE, NONE, NONE),
            ("AAA", "2024-01-04", 100.800003, 100.949997, 99.099998, 99.550003, 1_500_250.0, 96.465012),
        ],
    ),
}
REFUSED = {
    "comma": ("AAA.csv", 3, "Close", "'1,234' is no number", "thousands: ','"),
    "day_or_month": ("AAA.csv", 2, "Date", "'02/01/2024' is no date", "day first"),
    "duplicate_header": ("AAA.csv", 1, "Close", "names it twice, as columns 5 and 6", "Keep one"),
    "intraday": ("bars.txt", 3, "<PER>", "'5' stands where 'D' is required", "Leave such rows out"),
    "other_encoding": ("bars.csv", 3, "Name", "0xdc is no UTF-8", "encoding: cp1252"),
    "ragged": ("AAA.csv", 3, "Volume", "5 fields for 6 columns", "Complete the row"),
    "truncated": ("AAA.csv.gz", None, None, "compressed data end too soon", "Fetch the file again"),
    "undeclared_footer": ("AAA.csv", 3, "Date", "'Total, of all' is no date", "how it is written"),
    "wrong_zone": ("bars.csv", 3, "at", "falls on 2024-01-07 in America/New_York", "dates.zone"),
}
RULES: dict[str, object] = {
    "title": "Made up",
    "source": "made up for a test",
    "licence": "none",
    "biases": ["made up"],
    "price_basis": "raw",
    "currency": "USD",
    "calendar": "XNYS",
    "venue": "XNYS",
    "columns": {"symbol": "s", "session": "d", "close": "c"},
}


def provider(folder: Path) -> FilesProvider:
    return FilesProvider(Settings(files=folder))


def load(folder: Path, name: str) -> pd.DataFrame:
    return read_all(provider(folder).fetch(FetchRequest(name)))


def describe(folder: Path, **rules: object) -> Path:
    """Write the description of a dataset and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {key: value for key, value in {**RULES, **rules}.items() if value is not None}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    return folder


def load_text(tmp_path: Path, content: str | bytes, /, **rules: object) -> pd.DataFrame:
    """Load one file of that content."""
    folder = describe(tmp_path / "made", **rules)
    (folder / "bars.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(tmp_path, "made")


def load_cells(tmp_path: Path, *rows: Sequence[object], **rules: object) -> pd.DataFrame:
    """Load a workbook of one sheet."""
    folder = describe(tmp_path / "made", **rules)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(folder / "bars.xlsx")
    return load(tmp_path, "made")


def load_table(tmp_path: Path, table: pa.Table, **rules: object) -> pd.DataFrame:
    """Load a Parquet file."""
    folder = describe(tmp_path / "made", **rules)
    pq.write_table(table, folder / "bars.parquet")
    return load(tmp_path, "made")


class TestFilesProvider(ProviderConformance):
    dataset = "made-up"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        columns = {name: name for name in ("session", *DAILY, "adjusted_close")}
        described = describe(
            tmp_path / self.dataset,
            columns=columns,
            symbols={"source": "file_name"},
            synthetic=True,
            adjustment_rule="ex_close",
        )
        bars = make_prices(last="2019-03-29")
        for symbol, own in bars.groupby("symbol"):
            own.drop(columns="symbol").to_csv(described / f"{symbol}.csv", index=False)
        describe(tmp_path / "other")

    def make(self) -> FilesProvider:
        return provider(self.folder)


@pytest.mark.parametrize("name", sorted(LOADED))
def test_a_file_loads_to_exactly_the_stated_rows(name: str) -> None:
    fields, rows = LOADED[name]
    delivery = provider(FIXTURES).fetch(FetchRequest(name))
    found = read_all(delivery)
    expected = pd.DataFrame(rows, columns=["symbol", "session", *fields])
    expected = expected.assign(session=expected["session"].astype("datetime64[s]"))
    assert sorted(delivery.description.fields) == sorted(fields)
    pd.testing.assert_frame_equal(found[list(expected.columns)], expected, check_exact=True, check_dtype=False)
    assert delivery.description.synthetic


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_file_that_is_not_as_described_is_refused_by_line_and_column(name: str) -> None:
    file, line, column, what, remedy = REFUSED[name]
    with pytest.raises(InvalidInput) as caught:
        load(FIXTURES, name)
    assert caught.value.details == {"file": file, "line": line, "column": column}
    assert what in caught.value.detail
    assert caught.value.detail.startswith(f"{file}{f', line {line}' if line else ''}")
    assert remedy in caught.value.remedy


def test_every_fixture_is_in_one_of_the_tables() -> None:
    assert {path.parent.name for path in FIXTURES.glob("*/dataset.*")} == {*LOADED, *REFUSED}
    assert len(LOADED) + len(REFUSED) >= 12


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_known_layout_gives_its_rules_unless_they_are_replaced(tmp_path: Path, name: str) -> None:
    describe(tmp_path / "made", layout=name, numbers={"decimal": ","}, columns=None)
    found = provider(tmp_path)._catalog().find("made").described
    assert found.columns == LAYOUTS[name].columns
    assert found.dates == LAYOUTS[name].dates
    assert found.numbers.decimal == ","


@pytest.mark.parametrize(
    ("text", "rules", "value"),
    [
        ("1234.5", {}, 1234.5),
        ("1.2345e3", {}, 1234.5),
        (".5", {}, 0.5),
        ("-3", {}, -3.0),
        (" 7 ", {}, 7.0),
        ("1234,5", {"decimal": ","}, 1234.5),
        ("1.234", {"decimal": ",", "thousands": "."}, 1234.0),
        ("1.234.567,8", {"decimal": ",", "thousands": "."}, 1234567.8),
        ("1 234", {"thousands": " "}, 1234.0),
        ("1\u202f234,5", {"decimal": ",", "thousands": "\u202f"}, 1234.5),
        ("1'234", {"thousands": "'"}, 1234.0),
        ("0.1", {}, 0.1),
        ("9007199254740993", {}, 9007199254740992.0),
    ],
)
def test_a_number_is_what_is_declared(tmp_path: Path, text: str, rules: dict[str, str], value: float) -> None:
    found = load_text(tmp_path, f's;d;c\nAAA;2024-01-02;"{text}"\n', numbers=rules, text={"delimiter": ";"})
    assert found["close"].tolist() == [value]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("1,234", {}),
        ("1.234", {"decimal": ","}),
        ("12.34", {"decimal": ",", "thousands": "."}),
        ("1,23,456", {"thousands": ","}),
        ("1,2345", {"thousands": ","}),
        ("1.234,5", {}),
        ("$5", {}),
        ("5%", {}),
        ("(5)", {}),
        ("1 234", {}),
        ("NaN", {}),
        ("inf", {}),
        ("1e999", {}),
        ("", {}),
        ("-", {}),
        ("0x10", {}),
        ("1_000", {}),
        ("١٢", {}),
    ],
)
def test_what_is_no_number_as_declared_is_refused(tmp_path: Path, text: str, rules: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=r"bars\.csv, line 3, column 'c'"):
        load_text(
            tmp_path, f's;d;c\nAAA;2024-01-02;5\nAAA;2024-01-03;"{text}"\n', numbers=rules, text={"delimiter": ";"}
        )


@pytest.mark.parametrize("text", ["12345", "12345.0", "0012345"])
def test_a_unit_is_converted_exactly(tmp_path: Path, text: str) -> None:
    found = load_text(tmp_path, f"s,d,c\nAAA,2024-01-02,{text}\n", units={"close": "cents"})
    assert found["close"][0] == 123.45


@pytest.mark.parametrize(
    ("text", "rules", "day"),
    [
        ("2024-01-03", {}, "2024-01-03"),
        ("3.1.2024", {"format": "%d.%m.%Y"}, "2024-01-03"),
        ("1/3/2024", {"format": "%m/%d/%Y"}, "2024-01-03"),
        ("03 Jan 2024", {"format": "%d %b %Y"}, "2024-01-03"),
        ("2024-01-03 22:30", {"format": "%Y-%m-%d %H:%M", "zone": "Europe/Berlin"}, "2024-01-03"),
        ("2024-01-04 03:00", {"format": "%Y-%m-%d %H:%M", "zone": "Europe/Berlin"}, "2024-01-03"),
        ("2024-01-03 12:00 AM", {"format": "%Y-%m-%d %I:%M %p", "zone": "America/New_York"}, "2024-01-03"),
        ("2024-01-03T00:00:00Z", {"format": "%Y-%m-%dT%H:%M:%S%z", "session_from": "written_date"}, "2024-01-03"),
        ("2024-01-03T21:00:00.5+0000", {"format": "%Y-%m-%dT%H:%M:%S.%f%z"}, "2024-01-03"),
        ("20240103 160000-0500", {"format": "%Y%m%d %H%M%S%z"}, "2024-01-03"),
    ],
)
def test_a_date_is_what_is_declared(tmp_path: Path, text: str, rules: dict[str, str], day: str) -> None:
    found = load_text(tmp_path, f"s,d,c\nAAA,{text},5\n", dates=rules)
    assert found["session"].tolist() == [pd.Timestamp(day)]


@pytest.mark.parametrize(
    ("text", "rules", "said"),
    [
        ("2024-13-01", {}, "is no date"),
        ("2024-02-30", {}, "is no date"),
        ("03/01/2024", {}, "is no date"),
        ("", {}, "it is empty"),
        ("2024112", {"format": "%Y%m%d"}, "is no date"),
        ("13/01/2024", {"format": "%m/%d/%Y"}, "is no date"),
        ("2024-01-03 16:00 CST", {"format": "%Y-%m-%d %H:%M %Z", "zone_names": {"EST": "-05:00"}}, "zone 'CST'"),
        ("2024-01-07 12:00", {"format": "%Y-%m-%d %H:%M", "zone": "America/New_York"}, "no session of XNYS"),
    ],
)
def test_what_is_no_date_as_declared_is_refused(tmp_path: Path, text: str, rules: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=rf"bars\.csv, line 2, column 'd': .*{said}"):
        load_text(tmp_path, f"s,d,c\nAAA,{text},5\n", dates=rules)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "bars.csv:", "no header"),
        ("s,,c\n", "bars.csv, line 1:", "column 2 has no name"),
        ("s,d,c\nAAA,2024-01-02,1,2\n", "bars.csv, line 2:", "4 fields for 3 columns; the first too many is '2'"),
        ("s,d,c\n\nAAA,2024-01-02,1\n", "bars.csv, line 2:", "the line is empty, but rows follow"),
        ('s,d,c\nAAA,2024-01-02,"1\nBBB,2024-01-02,2\n', "bars.csv, line 2:", "the row that begins here is broken"),
        ('s,d,c\n"A"A,2024-01-02,1\n', "bars.csv, line 2:", "the row that begins here is broken"),
        ("s,d,d2\n", "bars.csv, column 'c':", "no such column for our close"),
        ("s,d,c,e\n", "bars.csv, column 'e':", "does not say what this column is"),
        ("s,d,c\n,2024-01-02,1\n", "bars.csv, line 2, column 's':", "it is empty"),
        ("s,d,c\nAAA,2024-01-02,1\n#end\n", "bars.csv, line 3, column 'd':", "the row ends before it"),
        ("s,d,c\nAAA,2024-01-02,1\nEND\nAAA,2024-01-03,1\n", "bars.csv, line 4:", "follows the footer"),
        ("s,d,c\n".encode("utf-16-le"), "bars.csv, line 1:", "zero bytes"),
        (b"s,d,c\nAAA,2024-01-02,\xff1\n", "bars.csv, line 2, column 'c':", "the byte 0xff is no UTF-8"),
    ],
)
def test_a_broken_file_is_refused_where_it_breaks(tmp_path: Path, text: str | bytes, place: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_text(tmp_path, text, text={"footer": ["END"]})
    assert caught.value.detail.startswith(place)
    assert said in caught.value.detail


def test_line_numbers_count_comments_quoted_lines_and_all_line_ends(tmp_path: Path) -> None:
    text = 's,d,c,r\r\n# one\nAAA,2024-01-02,1,\rBBB,2024-01-02,1,"two\nlines"\r\nCCC,2024-01-02,x,\n'
    with pytest.raises(InvalidInput, match="line 6, column 'c': 'x'"):
        load_text(tmp_path, text, text={"comment": "#"}, ignore=["r"])


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", None),
        ("utf-8-sig", "utf-8"),
        ("utf-16", None),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", None),
        ("cp1252", "cp1252"),
    ],
)
def test_an_encoding_is_told_by_its_mark_or_declared(tmp_path: Path, encoding: str, declared: str | None) -> None:
    found = load_text(tmp_path, "s,d,c\nBÜR,2024-01-02,1\n".encode(encoding), text={"encoding": declared})
    assert found["symbol"].tolist() == ["BÜR"]


@pytest.mark.parametrize(
    ("encoding", "declared", "said"),
    [
        ("utf-16", "cp1252", "mark of UTF-16, but cp1252"),
        ("utf-8-sig", "latin-1", "mark of UTF-8, but latin-1"),
        ("utf-16-be", "utf-16", "no byte order mark"),
    ],
)
def test_an_encoding_that_contradicts_the_file_is_refused(
    tmp_path: Path, encoding: str, declared: str, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        load_text(tmp_path, "s,d,c\nAAA,2024-01-02,1\n".encode(encoding), text={"encoding": declared})


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        (("AAA", 45293, 1.0), "line 3, column 'd': 45293 is no date"),
        (("AAA", "2024-01-03", True), "line 3, column 'c': True is no number"),
        (("AAA", "2024-01-03", "#N/A"), "line 3, column 'c': '#N/A' is no number"),
        (("AAA", "2024-01-03", None), "line 3, column 'c': it is empty"),
        (("AAA", "2024-01-03", dt.date(2024, 1, 1)), "line 3, column 'c': datetime"),
        ((700, "2024-01-03", 1.0), "line 3, column 's': 700 is no symbol"),
        (("AAA", CLOCK, 1.0), "line 3, column 'd': 2024-01-03 16:00:00 has a time of day"),
        (("AAA", None, 1.0), "line 3, column 'd': it is empty"),
        (("AAA", "2024-01-03", 1.0, "more"), "line 3: a cell lies beside"),
    ],
)
def test_a_sheets_cell_of_another_kind_is_refused(tmp_path: Path, cells: Sequence[object], place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_cells(tmp_path, ("s", "d", "c"), ("AAA", dt.date(2024, 1, 2), 1.0), cells)
    assert place in caught.value.detail


def test_a_sheet_must_be_named_among_several(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no sheet 'Bars'.*'Sheet'"):
        load_cells(tmp_path, ("s", "d", "c"), sheet="Bars")


@pytest.mark.parametrize(
    ("columns", "place"),
    [
        ({"d": pa.array([None], pa.date32())}, "column 'd': it is empty"),
        ({"d": pa.array([CLOCK])}, "column 'd': 2024-01-03 16:00:00 has a time of day"),
        ({"c": pa.array([None], pa.float64())}, "column 'c': it is empty"),
        ({"c": pa.array([float("inf")])}, "column 'c': inf is no figure"),
        ({"c": pa.array([True])}, "column 'c': it holds bool values"),
        ({"s": pa.array([None], pa.string()).dictionary_encode()}, "column 's': it is empty"),
        ({"s": pa.array([7])}, "column 's': 7 is no symbol"),
    ],
)
def test_a_table_of_other_values_is_refused(tmp_path: Path, columns: dict[str, pa.Array], place: str) -> None:
    plain = {"s": pa.array(["AAA"]), "d": pa.array([dt.date(2024, 1, 2)]), "c": pa.array([1.5])}
    with pytest.raises(InvalidInput) as caught:
        load_table(tmp_path, pa.table({**plain, **columns}))
    assert caught.value.detail.startswith(f"bars.parquet, line 1, {place}")


@pytest.mark.parametrize("name", ["bars.xlsx", "bars.parquet", "bars.csv.gz"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str) -> None:
    folder = describe(tmp_path / "made")
    (folder / name).write_bytes(b"s,d,c\nAAA,2024-01-02,1\n")
    with pytest.raises(InvalidInput, match=rf"{name}: it is no intact"):
        load(tmp_path, "made")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"title": None}, "title: Field required"),
        ({"biases": []}, "biases: .*at least 1"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"columns": {"session": "d"}, "symbols": {"source": "file_name"}}, "which column is the close"),
        ({"columns": {"session": "d", "close": "c", "symbol": "s", "bid": "b"}}, "unknown column 'bid'"),
        ({"columns": {"session": "d", "close": "c"}}, "either from a column or"),
        ({"columns": {"session": "d", "close": "d", "symbol": "s"}}, "'d' is used twice"),
        ({"dates": {"format": "%d.%m.%y"}}, "two digits could mean two centuries"),
        ({"dates": {"format": "%H:%M %d.%m.%Y"}}, "has a time of day; declare its zone"),
        ({"dates": {"zone": "New York"}}, "no time zone"),
        ({"dates": {"format": "%Y-%m-%d %H:%M %Z"}}, "zone_names must say"),
        ({"numbers": {"decimal": ",", "thousands": ","}}, "cannot be the same separator"),
        ({"text": {"encoding": "utf-9"}}, "no encoding"),
        ({"units": {"close": "dozens"}}, "units.close"),
        ({"calendar": "XNY"}, "Unknown calendar 'XNY'"),
        ({"layout": "yahho"}, "Unknown layout 'yahho'.*yahoo"),
        ({"adjustment_rule": "ex_close"}, "cannot be derived"),
        ({"symbols": {"pattern": "("}}, "no regular expression"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused(tmp_path: Path, rules: dict[str, object], said: str) -> None:
    describe(tmp_path / "made", **rules)
    with pytest.raises(InvestlabError, match=said) as caught:
        provider(tmp_path).datasets()
    assert "dataset.yaml" in caught.value.sentence


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = describe(tmp_path / "made") / "dataset.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "title: again\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="'title' is given twice"):
        provider(tmp_path).datasets()


def test_a_bad_description_keeps_no_other_dataset_from_being_read(tmp_path: Path) -> None:
    describe(tmp_path / "bad", title=None)
    load_text(tmp_path, "s,d,c\nAAA,2024-01-02,1\n")
    with pytest.raises(InvalidInput, match="bad"):
        load(tmp_path, "badd")


def test_two_descriptions_of_one_name_are_refused(tmp_path: Path) -> None:
    describe(tmp_path / "one", name="same")
    describe(tmp_path / "two", name="same")
    with pytest.raises(InvalidInput, match="both describe dataset 'same'"):
        provider(tmp_path).datasets()


def test_two_files_may_not_hold_the_same_time_of_an_instrument(tmp_path: Path) -> None:
    folder = describe(tmp_path / "made")
    (folder / "2023.csv").write_text("s,d,c\nAAA,2023-12-28,1\nAAA,2023-12-29,1\nBBB,2023-12-29,1\n", encoding="utf-8")
    (folder / "2024.csv").write_text("s,d,c\nAAA,2024-01-02,1\nBBB,2024-01-02,1\n", encoding="utf-8")
    assert len(load(tmp_path, "made")) == 5
    (folder / "late.csv").write_text("s,d,c\nAAA,2023-12-29,1\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"2023\.csv and late\.csv both hold bars of AAA"):
        load(tmp_path, "made")


def test_actions_are_derived_from_whole_instruments_only(tmp_path: Path) -> None:
    columns = {"symbol": "s", "session": "d", "close": "c", "adjusted_close": "a"}
    folder = describe(tmp_path / "made", columns=columns, adjustment_rule="prior_close")
    for year, day in (("2023", "2023-12-29"), ("2024", "2024-01-02")):
        (folder / f"{year}.csv").write_text(f"s,d,c,a\nAAA,{day},1,1\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="derived from whole instruments"):
        load(tmp_path, "made")


def test_only_files_with_bars_asked_for_are_parts(tmp_path: Path) -> None:
    folder = describe(tmp_path / "made")
    (folder / "a.csv").write_text("s,d,c\nAAA,2023-12-29,1\n", encoding="utf-8")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "b.csv").write_text("s,d,c\nBBB,2024-01-02,1\n", encoding="utf-8")
    fetch = provider(tmp_path).fetch
    assert fetch(FetchRequest("made")).parts == ("a.csv", "deeper/b.csv")
    assert fetch(FetchRequest("made", ("BBB",))).parts == ("deeper/b.csv",)
    assert fetch(FetchRequest("made", end=dt.date(2023, 12, 31))).parts == ("a.csv",)


def test_a_file_that_cannot_be_read_by_any_rule_is_not_passed_over(tmp_path: Path) -> None:
    folder = describe(tmp_path / "made")
    (folder / "a.csv").write_text("s,d,c\nAAA,2024-01-02,1\n", encoding="utf-8")
    (folder / "more.csv.zip").write_bytes(b"PK")
    with pytest.raises(InvalidInput, match=r"more\.csv\.zip .*of no kind"):
        load(tmp_path, "made")
    describe(folder, files=["*.csv"])
    assert len(load(tmp_path, "made")) == 1


def test_a_file_that_changes_between_scan_and_reading_is_noticed(tmp_path: Path) -> None:
    folder = describe(tmp_path / "made")
    (folder / "a.csv").write_text("s,d,c\nAAA,2024-01-02,1\n", encoding="utf-8")
    delivery = provider(tmp_path).fetch(FetchRequest("made"))
    (folder / "a.csv").write_text("s,d,c\nNEW,2024-01-02,1\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="now holds NEW"):
        delivery.read("a.csv")


def test_instruments_take_what_the_description_tells_of_them(tmp_path: Path) -> None:
    facts = {"AAA": {"name": "Made Up Inc", "sector": "technology"}}
    folder = describe(tmp_path / "made", instruments=facts, currency="EUR", venue="XETR")
    (folder / "a.csv").write_text("s,d,c\nAAA,2024-01-02,1\nBBB,2024-01-03,1\n", encoding="utf-8")
    one, two = provider(tmp_path).fetch(FetchRequest("made")).instruments
    assert (one.name, one.sector, one.currency, one.venue) == ("Made Up Inc", "technology", "EUR", "XETR")
    assert (two.name, two.valid_from) == ("BBB", dt.date(2024, 1, 3))


def test_a_folder_that_does_not_exist_holds_no_dataset(tmp_path: Path) -> None:
    assert provider(tmp_path / "nowhere").datasets() == []
    with pytest.raises(NotFound, match="Unknown dataset"):
        provider(tmp_path / "nowhere").fetch(FetchRequest("made"))


def test_basis_and_calendar_are_what_the_description_says() -> None:
    described = provider(FIXTURES).fetch(FetchRequest("yahoo")).description
    assert (described.price_basis, described.calendar, described.provider) == (
        PriceBasis.SPLIT_ADJUSTED,
        "XNYS",
        "files",
    )


def outcome(path: Path, rule: TextRule) -> object:
    """Return the rows of a file with their lines, or what is said of it."""
    try:
        blocks = list(text_blocks(path, path.name, rule))
        names = list(blocks[0].columns)
        cells = [[cell for block in blocks for cell in block.columns[name].to_pylist()] for name in names]
        return names, [line for block in blocks for line in block.lines], cells
    except InvalidInput as error:
        return error.sentence


@given(
    st.lists(
        st.sampled_from(["a", "b,c", ",", '"', '"x"', "", "é", "\n", "\n", "\n", "\r\n", "\r", " ", "1.5", "#"]),
        max_size=14,
    ),
    st.sampled_from([1, 3, 2**23]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_fast_way_of_reading_says_what_the_slow_one_says(
    tmp_path: Path, pieces: list[str], chunk_bytes: int
) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(("s,d\n" + "".join(pieces)).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_plain, "CHUNK_BYTES", chunk_bytes)
        fast = outcome(path, TextRule())
    assert fast == outcome(path, TextRule(comment="\x01"))
