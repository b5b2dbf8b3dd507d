"""Measure market data at the size of a whole market, each stage beside a plain peer in the same run.

Run it with `python benchmarks/data.py`; `--size small` tries it out. It prints a table and writes
benchmarks/results/data.json. The bars are synthetic (provider `synthetic`, seeded).
Peers: plain pyarrow writing the same rows into the same files; pyarrow's dataset reader with the quickest pivot we know
in numpy, through tables of the axes; DuckDB and polars on the files that the store wrote. Times are wall clock of one
run each for writing and for first reads (after one that warms the disk's cache), else the median of five; CPU seconds
stand beside them, for a loaded machine stretches the wall clock. Memory is the peak of a process of its own.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
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
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.services import ingest as ingesting
from investlab.services.prices import dataset_version, version_pin
from investlab.services.workspace import Workspace, open_workspace, silent_progress
from investlab.store.bar_tables import BarQuery
from investlab.store.market import MarketStore
from investlab.store.repositories import catalog

RESULTS = Path(__file__).parent / "results"
REPEATS = 5
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
        started = time.perf_counter()
        pin = appending.commit().pin
        ours += time.perf_counter() - started
        day = next_session(bars, offset)
        started = time.perf_counter()
        appending = store.begin(dataset, acknowledged=pin, ingested_at=datetime(2024, 1, 3, tzinfo=UTC))
        appending.add(day)
        appending.commit()
        daily = time.perf_counter() - started
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
        {
            "stage": "one new session",
            "who": "investlab store, durable",
            "rows": len(day),
            "seconds": daily,
            "target": "< 0.3",
        },
    ]


def next_session(bars: pd.DataFrame, instruments: int) -> pd.DataFrame:
    """Return a bar of each instrument on the day after the last of some bars, as one of those was."""
    last = bars[bars["session"] == bars["session"].max()].iloc[[0] * instruments]
    days = pd.Timedelta(days=1)
    changed = {"session": last["session"] + days, "known_at": last["known_at"] + days}
    return last.assign(instrument_id=np.arange(1, instruments + 1), **changed).reset_index(drop=True)


class TimedProvider:
    """The synthetic provider, which adds up how long it makes bars; each `corrected`-th bar is another one."""

    name = "synthetic"

    def __init__(self, corrected: int = 0) -> None:
        self.spent = 0.0
        self.corrected = corrected
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
            if self.corrected:
                rows = bars.index[:: self.corrected]
                bars.loc[rows, ["open", "high", "low", "close"]] *= 1.01
            return bars

        return replace(delivery, read=read)


def whole_ingest(dataset: str, root: Path) -> list[Row]:
    """Ingest a market but for its last five sessions, then those one by one."""
    provider = TimedProvider()
    ingesting.load_provider = lambda name, settings: provider  # type: ignore[assignment]
    lab = open_lab(root)
    *_, before, first, second, third, fourth, last = provider.inner.plan(dataset).sessions
    started = time.perf_counter()
    receipt = lab.ingest("synthetic", dataset, end=before.item())
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
    days = []
    for session in (first, second, third, fourth, last):  # each is new: their median
        provider.spent, started = 0.0, time.perf_counter()
        day = lab.ingest("synthetic", dataset, start=session.item(), end=session.item())
        days.append(time.perf_counter() - started - provider.spent)
    return [
        *rows,
        {
            "stage": "one new session",
            "who": "investlab: lab.ingest, 13 parts, every instrument told again, median of 5",
            "rows": day.counts.new,
            "seconds": float(np.median(days)),
            "target": "< 0.3",
        },
    ]


def reads(dataset: str, root: Path) -> list[Row]:
    """Read a stored market: one field wide, first and cached, few instruments, few sessions."""
    lab = open_lab(root)
    version = newest(lab, dataset)
    table = lab.context.market.root / dataset / "bars"
    universe = lab.universe(dataset)
    lab.context.panels.clear()
    pivoted(table)
    peer = timed("wide close", "pyarrow dataset + numpy pivot", lambda: pivoted(table))
    first = timed("wide close", "investlab: lab.panel, first read", lambda: lab.panel(universe, ["close"]), "<= 2")
    opened = timed("wide close", "investlab: lab.panel, cached", lambda: lab.panel(universe, ["close"]), "< 0.005", 20)
    close = lab.panel(universe, ["close"]).values("close")
    copied = np.array(close)
    plain = timed("full sum", "numpy on a copy in memory", lambda: np.nansum(copied), "", REPEATS)
    ours = timed("full sum", "investlab, cached field", lambda: np.nansum(close), "<= 1.3", REPEATS)
    rows = [peer, against(first, peer), opened, plain, against(ours, plain)]
    ids = np.random.default_rng(0).choice(lab.context.panels.cube(version, None, ()).instrument_ids, 20, replace=False)
    few = BarQuery(instrument_ids=tuple(int(key) for key in np.sort(ids)))
    recent = BarQuery(start=lab.panel(universe, ["close"]).sessions[-250].item())
    source = lab.context.market.source(dataset, version_pin(version))
    columns = ("instrument_id", "session", "close")
    listing = lab.panel(universe, ["close"]).listing
    symbols = [ref.symbol for ref in listing if ref.instrument_id in few.instrument_ids]
    panels = {
        "20 instruments": lambda: np.nansum(lab.panel(symbols, ["close"], dataset=dataset).values("close")),
        "250 sessions": lambda: np.nansum(lab.panel(universe, ["close"], start=recent.start).values("close")),
    }
    for stage, query in (("20 instruments", few), ("250 sessions", recent)):
        peers = [
            timed(stage, "DuckDB", lambda q=query: by_duckdb(table, q), "", REPEATS),
            timed(stage, "polars", lambda q=query: by_polars(table, q), "", REPEATS),
        ]
        best = min(peers, key=lambda row: float(str(row["seconds"])))
        stored = timed(stage, "investlab", lambda q=query: source.rows(q, columns, ordered=False), "<= 1.5", REPEATS)
        ordered = timed(stage, "investlab, ordered", lambda q=query: source.rows(q, columns), "", REPEATS)
        panel = timed(stage, "investlab: lab.panel and a full sum, field cached", panels[stage], "<= 1.5", REPEATS)
        rows += [*peers, against(stored, best), against(ordered, best), against(panel, best)]
    return [*rows, *lookups(lab, dataset)]


def corrected_reads(dataset: str, root: Path) -> list[Row]:
    """Correct one bar of a hundred in the last year, then read one field wide, corrections and adjustment included."""
    lab = open_lab(root)
    provider = TimedProvider(corrected=100)
    ingesting.load_provider = lambda name, settings: provider  # type: ignore[assignment]
    last = provider.inner.plan(dataset).sessions[-1].item()
    receipt = lab.ingest("synthetic", dataset, start=last.replace(month=1, day=1))
    universe = lab.universe(dataset)
    lab.context.panels.clear()
    table, stage = lab.context.market.root / dataset / "bars", "wide close, adjusted"
    pivoted(table)
    peer = timed(stage, "pyarrow dataset + numpy pivot", lambda: pivoted(table))
    who = f"investlab: first read, {receipt.counts.changed:,} corrections, adjust=all"
    first = timed(stage, who, lambda: lab.panel(universe, ["close"], adjust="all"), "<= 3")
    again = timed(stage, "investlab: cached", lambda: lab.panel(universe, ["close"], adjust="all"), "< 0.005", 20)
    return [peer, against(first, peer), again]


def newest(lab: Workspace, dataset: str) -> DatasetVersionInfo:
    """Return a dataset's latest version."""
    return dataset_version(lab.context, dataset)[1]


def timed(stage: str, who: str, work: Callable[[], object], target: str = "", repeats: int = 1) -> Row:
    """Return how long some work takes: once, or the median of repeats after a first."""
    if repeats > 1:
        work()
    spent = []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        work()
        spent.append((time.perf_counter() - started, time.process_time() - used))
    wall, cpu = sorted(spent)[len(spent) // 2]
    return {"stage": stage, "who": who, "seconds": wall, "cpu_seconds": cpu, "target": target}


def against(row: Row, peer: Row) -> Row:
    """Return a row with its ratio to a peer's time."""
    return {**row, "ratio": float(str(row["seconds"])) / float(str(peer["seconds"]))}


def lookups(lab: Workspace, dataset: str) -> list[Row]:
    """Resolve symbols one by one and in a batch, and trace a version."""
    with lab.context.database.read() as session:
        day = date(2016, 6, 30)
        refs = catalog.find_instruments(session, "", limit=10_000)
        index = lab.context.database.symbols()
        alive = [ref.symbol for ref in refs if any(period.holds(day) for period in index.periods(ref.symbol))]
        batch = [(alive[place % len(alive)], day) for place in range(10_000)]
        many = timed("symbols", "10,000 (symbol, date)", lambda: catalog.resolve_dated(session, batch), "< 0.1", 5)
    single = timed(
        "symbols",
        "one (symbol, date), change check included",
        lambda: lab.context.database.symbols().bearers_on([(alive[0], day)]),
        "<= 0.0002",
        100,
    )
    label = newest(lab, dataset).label
    return [many, single, timed("trace", label, lambda: lab.trace(label), "< 0.2", REPEATS)]


def pivoted(table: Path) -> np.ndarray:
    """Read one field with pyarrow and lay it out with numpy."""
    rows = pads.dataset(table, partitioning="hive", exclude_invalid_files=False, ignore_prefixes=["_"]).to_table(
        ["instrument_id", "session", "close"]
    )
    keys, days = rows["instrument_id"].to_numpy(), rows["session"].cast(pa.int32()).to_numpy()
    ids, sessions = np.flatnonzero(np.bincount(keys)), np.flatnonzero(np.bincount(days - days.min())) + days.min()
    columns, places = np.zeros(ids[-1] + 1, np.int32), np.zeros(sessions[-1] - sessions[0] + 1, np.int32)
    columns[ids], places[sessions - sessions[0]] = np.arange(len(ids)), np.arange(len(sessions))
    values = np.full((len(sessions), len(ids)), np.nan)
    values[places[days - sessions[0]], columns[keys]] = rows["close"].to_numpy()
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


STAGES = {
    "append": append_beside_pyarrow,
    "ingest": whole_ingest,
    "reads": reads,
    "corrected": corrected_reads,
}


def main() -> None:
    """Run every stage, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("market", "medium", "small"), default="market", help="how large a market")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder unless given")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="which stages to run")
    given = parser.parse_args()
    dataset = f"synthetic-{given.size}"
    rows: list[Row] = []
    with place(given.folder) as root:
        for name in given.stages:
            rows += measured(STAGES[name], dataset, root)
            print(pd.DataFrame(rows).to_string(index=False, na_rep=""), flush=True)
    plain = [row for row in rows if row["who"] == "pyarrow, plain files"]
    for whole in (row for row in rows if row["stage"] == "ingest"):
        whole["target"] = ">= 0.25"
        if plain:
            whole["ratio"] = float(str(whole["rows_per_second"])) / float(str(plain[0]["rows_per_second"]))
    report = {
        "benchmark": "data",
        "command": f"python benchmarks/data.py --size {given.size}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "bars": "synthetic",
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "data.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
