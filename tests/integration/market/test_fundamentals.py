"""Figures from reports, from a file to features beside the prices of a stored dataset."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from investlab.cli.app import main
from investlab.cli.output import output
from investlab.core.errors import Conflict, InvalidInput, InvestlabError, NotFound
from investlab.market.panel import PricePanel
from investlab.providers.fundamentals import COLUMNS
from investlab.services.prices import build_panel, request_of
from investlab.services.workspace import Workspace
from investlab.store.repositories import catalog, ingests
from tests.support.workspaces import (
    DATASET,
    ScriptedProvider,
    make_prices,
    make_workspace,
    open_with_bars,
    use_provider,
)

REPORT = """AAA,book_equity,2019-12-31,600,USD,2020-02-03T16:30:00-05:00,10-K
AAA,net_income_ttm,2019-12-31,150,USD,2020-02-03T16:30:00-05:00,10-K
AAA,shares_outstanding,2020-01-24,10,,2020-02-03T16:30:00-05:00,10-K"""
RESTATED = "AAA,book_equity,2019-12-31,500,USD,2020-06-01T09:00:00-04:00,10-K/A"


def write(folder: Path, text: str, name: str = "figures.csv") -> Path:
    path = folder / name
    path.write_text(f"{','.join(COLUMNS)}\n{text}\n", encoding="utf-8")
    return path


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    opened = open_with_bars(monkeypatch, tmp_path / "home")
    opened.ingest_fundamentals(write(tmp_path, f"{REPORT}\n{RESTATED}"), DATASET)
    return opened


def panel_of(lab: Workspace, *fields: str) -> PricePanel:
    return lab.panel(["AAA", "BBB"], fields or None, dataset=DATASET)


def book(lab: Workspace) -> pd.Series:
    return lab.fundamentals(panel_of(lab)).frame("book_equity")["AAA"]


def test_the_receipt_says_what_came_in_and_again_nothing_does(lab: Workspace, tmp_path: Path) -> None:
    receipt = lab.ingest_fundamentals(tmp_path / "figures.csv", DATASET)
    assert (receipt.counts.new, receipt.counts.same, receipt.instruments) == (0, 4, 1)
    assert receipt.metrics == ("book_equity", "net_income_ttm", "shares_outstanding")
    assert receipt.first_known_at == datetime(2020, 2, 3, 21, 30, tzinfo=UTC)
    assert receipt.last_known_at == datetime(2020, 6, 1, 13, tzinfo=UTC)
    with lab.context.database.read() as session:
        run = ingests.ingest(session, receipt.ingest_run_id)
    assert (run.provider, run.dataset, run.status) == ("fundamentals", DATASET, "completed")
    assert lab.quality(DATASET).provider == "scripted"


def test_features_stand_on_what_was_filed_by_each_close(lab: Workspace) -> None:
    """The report came after the close of 3 February, the restatement before the opening of 1 June."""
    panel = lab.fundamentals(panel_of(lab))
    found = lab.features(panel, ["book_to_price", "earnings_yield"])
    ratio, close = found.frame("book_to_price")["AAA"], panel.close["AAA"]
    assert ratio[:"2020-02-03"].isna().all()
    assert ratio["2020-02-04"] == 600 / (10 * close["2020-02-04"])
    assert ratio["2020-05-29"] == 600 / (10 * close["2020-05-29"])
    assert ratio["2020-06-01"] == 500 / (10 * close["2020-06-01"])
    assert found.frame("earnings_yield")["AAA"]["2020-12-31"] == 150 / (10 * close["2020-12-31"])
    assert found.frame("book_to_price")["BBB"].isna().all()


def test_as_of_sees_no_later_filing_and_the_same_bits_before(lab: Workspace, tmp_path: Path) -> None:
    known = book(lab)
    lab.ingest_fundamentals(write(tmp_path, RESTATED.replace("500", "1").replace("06-01", "07-01")), DATASET)
    then = book(lab.as_of("2020-06-30"))
    assert then.equals(known[:"2020-06-30"])
    assert book(lab)["2020-07-01"] == 1.0
    assert book(lab)[:"2020-06-30"].equals(then)


def test_a_panel_with_figures_is_built_again_from_its_request(lab: Workspace) -> None:
    panel = lab.fundamentals(panel_of(lab))
    again = build_panel(lab.context, request_of(panel))
    assert again.id == panel.id
    named = panel_of(lab, "close", "book_equity")
    assert np.array_equal(named.values("book_equity"), panel.values("book_equity"), equal_nan=True)


def test_what_is_neither_field_nor_metric_is_unknown(lab: Workspace) -> None:
    with pytest.raises(NotFound, match="Unknown field 'book_equit'"):
        panel_of(lab, "book_equit")
    with pytest.raises(NotFound, match="Unknown metric 'book_equit'.*book_equity"):
        lab.fundamentals(panel_of(lab), ["book_equit"])


def test_a_figure_belongs_to_who_bore_the_symbol_when_it_was_filed(lab: Workspace, tmp_path: Path) -> None:
    """AAA gave its symbol up in March 2020; a report filed under it in February is still its own."""
    with lab.context.database.read() as session:
        (ref,) = catalog.resolve_symbols(session, ["AAA"])
    lab.context.database.write(
        lambda session: catalog.rename_instrument(session, ref.instrument_id, "NEW", on=date(2020, 3, 2), source="test")
    )
    text = "{},inventory,2019-12-31,{},USD,{}T12:00:00Z,10-K"
    rows = [text.format("AAA", 1, "2020-02-20"), text.format("NEW", 2, "2020-03-20")]
    assert lab.ingest_fundamentals(write(tmp_path, "\n".join(rows)), DATASET).instruments == 1
    with pytest.raises(NotFound, match=r"figures\.csv, line 2, column 'symbol': Unknown symbol 'AAA'"):
        lab.ingest_fundamentals(write(tmp_path, text.format("AAA", 3, "2020-03-20")), DATASET)


def test_a_report_older_than_the_first_bar_is_of_the_only_one_that_ever_bore_the_symbol(
    lab: Workspace, tmp_path: Path
) -> None:
    early = "BBB,book_equity,2018-09-30,70,USD,2018-11-05T12:00:00Z,10-Q"
    lab.ingest_fundamentals(write(tmp_path, early), DATASET)
    found = lab.fundamentals(panel_of(lab), ["book_equity"]).frame("book_equity")["BBB"]
    assert found.iloc[0] == 70.0


def with_split(bars: pd.DataFrame, symbol: str, day: str) -> pd.DataFrame:
    """Return bars in which a symbol is split two to one on a day."""
    own, later = bars["symbol"] == symbol, bars["session"] >= pd.Timestamp(day)
    changed = bars.copy()
    changed.loc[own, "adjusted_close"] /= 2.0
    changed.loc[own & later, ["open", "high", "low", "close"]] /= 2.0
    return changed


def test_share_counts_follow_the_splits_of_the_dataset_wherever_a_panel_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_provider(monkeypatch, ScriptedProvider(with_split(make_prices(), "AAA", "2020-08-31")))
    lab = make_workspace(tmp_path / "home")
    lab.ingest("scripted", DATASET)
    lab.ingest_fundamentals(write(tmp_path, REPORT), DATASET)
    whole = lab.fundamentals(panel_of(lab))
    shares, names = whole.frame("shares_outstanding")["AAA"], ["book_to_price", "earnings_yield"]
    assert (shares["2020-08-28"], shares["2020-08-31"]) == (10.0, 20.0)
    offline = lab.features(whole, names)
    online = lab.features(lab.fundamentals(lab.panel(["AAA", "BBB"], start="2020-12-31", dataset=DATASET)), names)
    assert np.array_equal(online.values[-1], offline.values[-1], equal_nan=True)
    assert online.values[-1, 0, 0] == 600 / (20 * whole.close["AAA"].iloc[-1])
    known = offline.row(date(2020, 8, 28))
    then = lab.as_of("2020-08-28")
    assert np.array_equal(lab.features(then.fundamentals(panel_of(then)), names).values[-1], known, equal_nan=True)


def test_the_command_shows_the_receipt(
    lab: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INVESTLAB_HOME", str(lab.context.settings.home_path))
    monkeypatch.setattr(output, "as_json", False)
    path = write(tmp_path, "CCC,inventory,2019-12-31,1,USD,2020-03-03T12:00:00Z,x\nZZZ" + REPORT.splitlines()[0][3:])
    arguments = ["--json", "data", "fundamentals", str(path), "--dataset", DATASET]
    assert main(arguments) == NotFound.exit_code
    assert "line 3, column 'symbol'" in capsys.readouterr().err
    assert main([*arguments, "--skip-unknown"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["new"], row["left out"]) == (1, "ZZZ")


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("AAAA,book_equity,2019-12-31,1,USD,2020-03-03T12:00:00Z,x", NotFound, r"line 2, column 'symbol'"),
        ("AAA,book_equity,2019-12-31,7,USD,2020-02-03T21:30:00Z,x", Conflict, "is recorded as"),
        ("AAA,book_equity,2019-12-31,x,USD,2020-02-03T21:30:00Z,x", InvalidInput, r"line 2, column 'value'"),
    ],
)
def test_a_file_that_is_refused_changes_nothing(
    lab: Workspace, tmp_path: Path, text: str, error: type[InvestlabError], said: str
) -> None:
    before = book(lab)
    good = "BBB,book_equity,2019-12-31,1,USD,2020-03-03T12:00:00Z,x"
    with pytest.raises(error, match=said):
        lab.ingest_fundamentals(write(tmp_path, f"{text}\n{good}"), DATASET)
    assert book(lab).equals(before)
    assert lab.fundamentals(panel_of(lab)).frame("book_equity")["BBB"].isna().all()


def test_figures_of_unknown_symbols_are_left_out_where_that_is_asked_for(lab: Workspace, tmp_path: Path) -> None:
    row = "{},inventory,2019-12-31,1,USD,2020-03-03T12:00:00Z,x"
    path = write(tmp_path, "\n".join(row.format(symbol) for symbol in ("ZZZ", "CCC", "YYY")))
    receipt = lab.ingest_fundamentals(path, DATASET, skip_unknown=True)
    assert (receipt.left_out, receipt.counts.new) == (("YYY", "ZZZ"), 1)


def test_a_training_on_figures_is_recorded_and_reproduced_but_not_served(lab: Workspace, tmp_path: Path) -> None:
    early = [row.replace("AAA", symbol) for symbol in ("AAA", "BBB", "CCC") for row in REPORT.splitlines()]
    text = "\n".join(early).replace("2020-", "2019-").replace("2019-12-31", "2018-12-31")
    lab.ingest_fundamentals(write(tmp_path, text), DATASET)
    panel = lab.fundamentals(lab.panel(["AAA", "BBB", "CCC"], dataset=DATASET))
    trained = lab.train(
        "lightgbm_ranker",
        panel,
        features=["return_5", "book_to_price"],
        horizon_sessions=5,
        folds=2,
        parameters={"min_rows_in_leaf": 5},
    )
    assert lab.reproduce(trained.run_id, executor="serial").is_equal
    with pytest.raises(InvalidInput, match="serving does not read: book_to_price"):
        lab.register(trained, "us-figures")
