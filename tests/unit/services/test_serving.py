"""A prediction request becomes scores in the envelope, and a record of them, or a sentence that says why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pytest

from investlab.core.clock import FixedClock
from investlab.core.errors import InvalidInput, ModelUnavailable, StorageUnavailable
from investlab.schemas.market import InstrumentRef
from investlab.schemas.registry import ModelVersionInfo
from investlab.schemas.serving import ClockState, Freshness, PredictRequest
from investlab.services.model_host import ModelHost
from investlab.services.serving import PredictionService
from investlab.services.symbol_features import SymbolRows
from tests.support.serving import KeptRecords, ScriptedSource, artifact_of, load_sum

NOW = datetime(2022, 3, 7, 15, tzinfo=UTC)
ROW = {"alpha": 0.1, "beta": -0.25, "gamma": 4.0}


@dataclass(slots=True)
class TwoSymbols:
    """Features of two instruments at one session."""

    asked: Sequence[str] = ()

    def rows(self, version: ModelVersionInfo, symbols: Sequence[str], as_of: date | datetime | None) -> SymbolRows:
        self.asked = symbols
        return SymbolRows(
            listing=(InstrumentRef(instrument_id=7, symbol="AAA"), InstrumentRef(instrument_id=9, symbol="BBB")),
            values=np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]),
            session=date(2022, 3, 4),
            as_of=datetime(2022, 3, 4, 21, tzinfo=UTC),
            dataset="us-close",
            dataset_version=3,
            fresh=Freshness(
                state=ClockState.REPLAY,
                clock_session=date(2022, 3, 4),
                data_session=date(2022, 3, 4),
                age_sessions=0,
            ),
            pass_id="rp-1",
        )


def service(
    log: KeptRecords | None = None, symbols: TwoSymbols | None = None, trained_through: date | None = None
) -> PredictionService:
    source = ScriptedSource(trained_through=trained_through)
    source.promote(artifact_of(1.0, 2.0, 0.5), 2)
    host = ModelHost(source, load_sum)
    host.refresh()
    return PredictionService(host, log or KeptRecords(), FixedClock(NOW), symbols)


def ask(*rows: dict[str, float]) -> PredictRequest:
    return PredictRequest(features=rows)


def test_features_are_taken_by_name_whatever_their_order() -> None:
    backwards = dict(reversed(ROW.items()))
    scores = [service().predict(ask(row), "r-1").values[0].score for row in (ROW, backwards)]
    assert scores == [2.6, 2.6]


def test_the_envelope_says_what_the_scores_stand_on() -> None:
    answer = service().predict(ask(ROW), "r-1")
    assert (answer.model, answer.model_version, answer.run_id) == ("us-ranker", 2, "tr-0002")
    assert (answer.request_id, answer.horizon_sessions) == ("r-1", 21)
    assert (answer.as_of, answer.dataset_version, answer.fresh, answer.pass_id) == (None, None, None, None)
    assert answer.prediction_id.startswith("pd-")


@pytest.mark.parametrize(
    ("trained_through", "in_sample"),
    [
        pytest.param(date(2022, 3, 7), True, id="trained-on-what-came-after"),
        pytest.param(date(2022, 3, 4), False, id="trained-up-to-the-data"),
        pytest.param(date(2021, 12, 31), False, id="trained-before"),
        pytest.param(None, None, id="not-recorded"),
    ],
)
def test_scores_of_sessions_the_model_was_trained_on_are_called_in_sample(
    trained_through: date | None, in_sample: bool | None
) -> None:
    answer = service(symbols=TwoSymbols(), trained_through=trained_through).predict(
        PredictRequest(symbols=("AAA", "BBB")), "r-1"
    )
    assert (answer.trained_through, answer.in_sample) == (trained_through, in_sample)
    assert ("IN SAMPLE" in answer._repr_html_()) is bool(in_sample)


def test_features_that_a_caller_brings_are_of_no_session() -> None:
    answer = service(trained_through=date(2022, 3, 7)).predict(ask(ROW), "r-1")
    assert (answer.trained_through, answer.in_sample) == (date(2022, 3, 7), None)


def test_contributions_and_baseline_make_up_the_score() -> None:
    score = service().predict(ask(ROW), "r-1").values[0]
    assert score.contributions == {"alpha": 0.1, "beta": -0.5, "gamma": 2.0}
    assert score.baseline + sum(score.contributions.values()) == pytest.approx(score.score, abs=1e-15)


def test_the_best_score_ranks_first_and_equal_scores_by_row() -> None:
    low, high = {**ROW, "gamma": 0.0}, {**ROW, "gamma": 9.0}
    ranks = [score.rank for score in service().predict(ask(low, high, low), "r-1").values]
    assert ranks == [2, 1, 3]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param({"alpha": 1.0, "beta": 1.0}, r"Row 1 lacks the feature gamma", id="missing"),
        pytest.param({**ROW, "delta": 1.0}, r"Row 1 has an unknown feature 'delta'", id="unknown"),
        pytest.param({"alpha": 1.0, "beta": 1.0, "Gamma": 1.0}, r"Row 1 lacks the feature gamma", id="another-case"),
    ],
)
def test_names_that_do_not_fit_are_named_with_their_row(row: dict[str, float], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        service().predict(ask(ROW, row), "r-1")
    assert "alpha, beta, gamma" in caught.value.remedy
    assert caught.value.details["row"] == 1


def test_values_that_give_no_finite_score_are_refused() -> None:
    huge = {"alpha": 1e308, "beta": 1e308, "gamma": 1e308}
    with pytest.raises(InvalidInput, match=r"Row 1 has values too large to score"), np.errstate(over="ignore"):
        service().predict(ask(ROW, huge), "r-1")


def test_every_answer_leaves_a_record() -> None:
    log = KeptRecords()
    answer = service(log).predict(ask(ROW, ROW), "r-1")
    (record,) = log.records
    assert (record.prediction_id, record.request_id, record.at) == (answer.prediction_id, "r-1", NOW)
    assert (record.version_id, record.run_id, record.source) == ("mv-0002", "tr-0002", "api")
    assert [score.score for score in record.scores] == [score.score for score in answer.values]


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(StorageUnavailable("The disk is full."), id="spool-refuses"),
        pytest.param(OSError(28, "No space left on device"), id="system-refuses"),
    ],
)
def test_no_answer_leaves_without_a_record(failure: Exception) -> None:
    with pytest.raises(StorageUnavailable):
        service(KeptRecords(failure=failure)).predict(ask(ROW), "r-1")


def test_a_prediction_is_known_by_request_and_content() -> None:
    predictions = service()
    first, again = (predictions.predict(ask(ROW), "r-1").prediction_id for _ in range(2))
    other_request = predictions.predict(ask(ROW), "r-2").prediction_id
    other_content = predictions.predict(ask({**ROW, "alpha": 0.2}), "r-1").prediction_id
    assert first == again
    assert len({first, other_request, other_content}) == 3


def test_symbols_are_scored_with_the_features_of_the_store() -> None:
    log, symbols = KeptRecords(), TwoSymbols()
    answer = service(log, symbols).predict(PredictRequest(symbols=("AAA", "BBB")), "r-1")
    assert symbols.asked == ("AAA", "BBB")
    assert [(s.symbol, s.instrument_id, s.score, s.rank) for s in answer.values] == [
        ("AAA", 7, 4.5, 2),
        ("BBB", 9, 8.0, 1),
    ]
    assert (answer.dataset_version, answer.pass_id) == ("us-close@3", "rp-1")
    assert answer.fresh is not None
    assert answer.fresh.state is ClockState.REPLAY
    (record,) = log.records
    assert (record.session, record.dataset, record.dataset_version) == (date(2022, 3, 4), "us-close", 3)
    assert [(score.instrument_id, score.symbol) for score in record.scores] == [(7, "AAA"), (9, "BBB")]


def test_symbols_without_a_store_are_refused_with_the_way_out() -> None:
    with pytest.raises(ModelUnavailable, match=r"no store of prices.*Send `features`"):
        service().predict(PredictRequest(symbols=("AAA",)), "r-1")


def test_only_short_requests_of_features_are_quick() -> None:
    predictions = service()
    assert predictions.is_quick(ask(ROW))
    assert not predictions.is_quick(ask(*[ROW] * 100))
    assert not predictions.is_quick(PredictRequest(symbols=("AAA",)))
