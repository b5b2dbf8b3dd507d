"""Measure market data at the size of a whole market, each stage beside a plain peer in the same run.

Run it with `python benchmarks/data.py [--dataset synthetic-market]`; `--dataset synthetic-small` tries it out.
It prints a table and writes benchmarks/results/data.json. The bars are synthetic (provider `synthetic`, seeded).
Peers: plain pyarrow writing the same rows into the same files, pyarrow's dataset reader with a pivot in numpy, DuckDB
and polars on the files that the store wrote. Times are wall clock of one run each for writing, the median of three for
reading; memory is the process's peak in a process of its own.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from deltalake import DeltaTable

from investlab.core.config import Settings
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.providers.synthetic import SyntheticProvider
from investlab.services import ingest as ingesting
from investlab.services.prices import version_pin
from investlab.services.workspace import Workspace, open_workspace, silent_progress
from investlab.store.bar_tables import BarQuery
from investlab.store.market import MarketStore
from investlab.store.repositories import catalog, datasets

RESULTS = Path(__file__).parent / "results"
REPEATS = 3
Row = dict[str, object]


def keyed(bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars as the store takes them; the ids are made up from the symbols."""
    codes = bars["symbol"].cat.codes.to_numpy(np.int64) if bars["symbol"].dtype == "category" else None
    ids = codes if codes is not None else pd.factorize(bars["symbol"])[0].astype(np.int64)
    known = bars["session"].astype("datetime64[us]").dt.tz_localize("UTC") + pd.Timedelta(hours=21)
    return bars.drop(columns="symbol").assign(instrument_id=ids + 1, known_at=known)


def write_plainly(bars: pd.DataFrame, folder: Path, number: int) -> None:
    """Write a part as plain Parquet, one file a year, as the store lays them out but without its promises."""
    table = pa.Table.from_pandas(bars, preserve_index=False)
    years = bars["session"].dt.year.to_numpy()
    for year in np.unique(years):
        place = folder / f"year={year}"
        place.mkdir(parents=True, exist_ok=True)
        chosen = table.take(pa.array(np.flatnonzero(years == year)))
        pq.write_table(chosen, place / f"part-{number}.parquet", compression="zstd", compression_level=1)


def append_beside_pyarrow(dataset: str, root: Path) -> list[Row]:
    """Append a market part by part, and write the same parts plainly."""
    delivery = SyntheticProvider().fetch(FetchRequest(dataset))
    store, plain, ours, rows = MarketStore(root / "market"), 0.0, 0.0, 0
    with store.writing(dataset):
        appending = store.begin(dataset, acknowledged=None, ingested_at=datetime(2024, 1, 2, tzinfo=UTC))
        offset = 0
        for number, part in enumerate(delivery.parts):
            bars = keyed(delivery.read(part))
            bars["instrument_id"] += offset
            offset = int(bars["instrument_id"].max())
            rows += len(bars)
            plain += seconds(lambda b=bars, n=number: write_plainly(b, root / "plain", n))
            ours += seconds(lambda b=bars: appending.add(b))
        ours += seconds(appending.commit)
    return [
        {
            "stage": "append",
            "who": "pyarrow, plain files",
            "rows": rows,
            "seconds": plain,
            "rows_per_second": rows / plain,
        },
        {
            "stage": "append",
            "who": "investlab store (fsync, statistics, hash)",
            "rows": rows,
            "seconds": ours,
            "rows_per_second": rows / ours,
            "ratio": plain / ours,
            "target": ">= 0.7",
        },
    ]


class TimedProvider:
    """The synthetic provider, which adds up how long it makes bars."""

    name = "synthetic"

    def __init__(self) -> None:
        self.spent = 0.0
        self.inner = SyntheticProvider()

    def datasets(self) -> object:
        """Return the datasets on offer."""
        return self.inner.datasets()

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return a delivery whose making is timed."""
        started = time.perf_counter()
        delivery = self.inner.fetch(request)
        self.spent += time.perf_counter() - started

        def read(part: str) -> pd.DataFrame:
            started = time.perf_counter()
            bars = delivery.read(part)
            self.spent += time.perf_counter() - started
            return bars

        return replace(delivery, read=read)


def whole_ingest(dataset: str, root: Path) -> list[Row]:
    """Ingest a market but for its last session, then that session alone."""
    provider = TimedProvider()
    ingesting.load_provider = lambda name: provider  # type: ignore[assignment]
    lab = open_lab(root)
    last = provider.inner.plan(dataset).sessions[-1]
    before = (last - np.timedelta64(1, "D")).item()
    started = time.perf_counter()
    receipt = lab.ingest("synthetic", dataset, end=before)
    spent = time.perf_counter() - started - provider.spent
    rows: list[Row] = [
        {
            "stage": "ingest",
            "who": "investlab: quality, calendar, keys, fsync, record, receipt",
            "rows": receipt.rows,
            "seconds": spent,
            "rows_per_second": receipt.rows / spent,
        }
    ]
    provider.spent = 0.0
    started = time.perf_counter()
    day = lab.ingest("synthetic", dataset, start=last.item())
    spent = time.perf_counter() - started - provider.spent
    return [*rows, {"stage": "one new session", "who": "investlab, durable", "rows": day.counts.new, "seconds": spent}]


def reads(dataset: str, root: Path) -> list[Row]:
    """Read a stored market: one field wide, cached, few instruments, few sessions."""
    lab = open_lab(root)
    with lab.context.database.read() as session:
        version = datasets.latest_version(session, dataset)
    if version is None:
        return []
    table = lab.context.market.root / dataset / "bars"
    pin = version_pin(version)
    lab.context.panels.clear()
    first = seconds(lambda: lab.context.panels.cube(version, None, ("close",)))
    wide = seconds(lambda: pivoted(table))
    opened = median(lambda: lab.context.panels.cube(version, None, ("close",)))
    close = lab.context.panels.cube(version, None, ("close",)).fields["close"]
    copied = np.array(close)
    cached, plain = median(lambda: np.nansum(close)), median(lambda: np.nansum(copied))
    ids = np.random.default_rng(0).choice(np.unique(lab.context.panels.cube(version, None, ()).instrument_ids), 20)
    few = BarQuery(instrument_ids=tuple(int(key) for key in ids))
    sessions = lab.context.panels.cube(version, None, ()).sessions
    recent = BarQuery(start=sessions[-250].item())
    source = lab.context.market.source(dataset, pin)
    rows: list[Row] = [
        {"stage": "wide close", "who": "pyarrow dataset + numpy pivot", "seconds": wide},
        {
            "stage": "wide close",
            "who": "investlab, first read",
            "seconds": first,
            "ratio": first / wide,
            "target": "<= 2",
        },
        {"stage": "wide close", "who": "investlab, cached: open", "seconds": opened, "target": "< 0.005"},
        {"stage": "wide close", "who": "numpy sum", "seconds": plain},
        {
            "stage": "wide close",
            "who": "investlab, cached: sum",
            "seconds": cached,
            "ratio": cached / plain,
            "target": "<= 1.3",
        },
    ]
    columns = ("instrument_id", "session", "close")
    for stage, query in (("20 instruments", few), ("250 sessions", recent)):
        best = min(median(lambda q=query: by_duckdb(table, q)), median(lambda q=query: by_polars(table, q)))
        ours = median(lambda q=query: source.rows(q, columns))
        rows.append({"stage": stage, "who": "the better of DuckDB and polars", "seconds": best})
        rows.append({"stage": stage, "who": "investlab", "seconds": ours, "ratio": ours / best, "target": "<= 1.5"})
    return [*rows, *lookups(lab)]


def lookups(lab: Workspace) -> list[Row]:
    """Resolve symbols one by one and in a batch."""
    with lab.context.database.read() as session:
        refs = list(catalog.find_instruments(session, "", limit=10_000))
        names = [ref.symbol for ref in refs]
        day = pd.Timestamp("2016-06-30").date()
        alive = [name for name in names if _resolves(session, name, day)]
        batch = [(alive[place % len(alive)], day) for place in range(10_000)]
        many = median(lambda: catalog.resolve_dated(session, batch))
    single = median(lambda: _one(lab, alive[0], day))
    return [
        {"stage": "symbols", "who": "batch of 10,000 (symbol, date)", "seconds": many, "target": "< 0.1"},
        {"stage": "symbols", "who": "single, change check included", "seconds": single, "target": "<= 0.0002"},
    ]


def _resolves(session: object, symbol: str, day: object) -> bool:
    try:
        return bool(catalog.resolve_dated(session, [(symbol, day)]))  # type: ignore[arg-type,list-item]
    except ingesting.InvestlabError:
        return False


def _one(lab: Workspace, symbol: str, day: date) -> None:
    lab.context.database.symbols().bearers_on([(symbol, day)])


def pivoted(table: Path) -> np.ndarray:
    """Read one field with pyarrow and lay it out with numpy."""
    rows = pads.dataset(table, partitioning="hive", exclude_invalid_files=False, ignore_prefixes=["_"]).to_table(
        ["instrument_id", "session", "close"]
    )
    ids, columns = np.unique(rows["instrument_id"].to_numpy(), return_inverse=True)
    days, places = np.unique(rows["session"].cast(pa.int32()).to_numpy(), return_inverse=True)
    values = np.full((len(days), len(ids)), np.nan)
    values[places, columns] = rows["close"].to_numpy()
    return values


def by_duckdb(table: Path, query: BarQuery) -> int:
    """Read the chosen bars with DuckDB and return their number."""
    files = DeltaTable(table).file_uris()
    where = f"instrument_id IN {query.instrument_ids}" if query.instrument_ids else f"session >= DATE '{query.start}'"
    found = duckdb.sql(f"SELECT instrument_id, session, close FROM read_parquet({files}) WHERE {where}")
    return len(found.to_arrow_table())


def by_polars(table: Path, query: BarQuery) -> int:
    """Read the chosen bars with polars and return their number."""
    bars = pl.scan_delta(str(table)).select("instrument_id", "session", "close")
    ids = query.instrument_ids
    chosen = pl.col("instrument_id").is_in(list(ids)) if ids else pl.col("session") >= query.start
    return len(bars.filter(chosen).collect())


def open_lab(root: Path) -> Workspace:
    """Open the workspace of the benchmark."""
    settings = Settings.model_validate({"home": root / "home", "panel_cache_mib": 8192})
    return open_workspace(settings=settings, progress=silent_progress)


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(work: Callable[[], object]) -> float:
    """Return how long some work takes, the median of a few runs after a first."""
    work()
    return statistics.median(seconds(work) for _ in range(REPEATS))


def measured(stage: Callable[[str, Path], list[Row]], dataset: str, root: Path) -> list[Row]:
    """Run a stage in a process of its own and add the peak of its memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_peak, (stage, dataset, root))


def _with_peak(stage: Callable[[str, Path], list[Row]], dataset: str, root: Path) -> list[Row]:
    rows = stage(dataset, root)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [{**row, "peak_gib": peak} for row in rows]


@contextmanager
def place(kept: Path | None) -> Iterator[Path]:
    """Give a folder to work in, removed afterwards unless it was named."""
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="investlab-bench-") as folder:
        yield Path(folder)


def main() -> None:
    """Run every stage, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="synthetic-market", help="a dataset of the provider synthetic")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder unless given")
    given = parser.parse_args()
    rows: list[Row] = []
    with place(given.folder) as root:
        for stage in (append_beside_pyarrow, whole_ingest, reads):
            rows += measured(stage, given.dataset, root)
            print(pd.DataFrame(rows).to_string(index=False, na_rep=""), flush=True)
    plain = next(row for row in rows if row["who"] == "pyarrow, plain files")
    whole = next(row for row in rows if row["stage"] == "ingest")
    whole["ratio"] = float(str(whole["rows_per_second"])) / float(str(plain["rows_per_second"]))
    whole["target"] = ">= 0.25"
    report = {
        "benchmark": "data",
        "command": f"python benchmarks/data.py --dataset {given.dataset}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "bars": "synthetic",
        "rows": rows,
    }
    print(pd.DataFrame(rows).to_string(index=False, na_rep=""))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "data.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
