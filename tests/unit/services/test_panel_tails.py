"""The end of a panel has the corporate actions of its own sessions, at their own rows."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from investlab.features.definitions import FEATURES, lookback_of
from investlab.features.matrix import build_features
from investlab.market.panel import PricePanel
from investlab.services.model_host import LoadedModel
from investlab.services.panel_tails import tail
from investlab.services.replay_paper import PaperTerms, keep_paper_book
from investlab.services.replay_scoring import Scene, score_session
from tests.support.panels import make_panel, random_panel
from tests.support.replays import FEATURE, loaded_model

pytestmark = pytest.mark.slow  # features of whole panels


@pytest.fixture(scope="module")
def panel() -> PricePanel:
    return random_panel(5, sessions=400, instruments=4, actions=300)


@pytest.mark.parametrize("back", [0, 1, 40])
def test_features_of_the_tail_are_those_of_the_whole(panel: PricePanel, back: int) -> None:
    names = tuple(FEATURES)
    cut = tail(panel, len(panel.sessions) - lookback_of(names) - 1 - back)
    assert len(cut.actions)
    assert (cut.actions.session > 0).all()
    whole, ended = (build_features(each, names).values[-1] for each in (panel, cut))
    np.testing.assert_array_equal(ended, whole)


def test_a_replayed_session_with_corporate_actions_is_scored_as_offline(panel: PricePanel) -> None:
    host = loaded_model()
    lineage = host.info.lineage.model_copy(update={"symbols": tuple(panel.symbols)})
    model = LoadedModel(host.info.model_copy(update={"lineage": lineage}), host.predictor)
    named = replace(panel, source=replace(panel.source, dataset_version=1))
    scene = Scene("rp-1", panel.last_session, datetime(2024, 1, 2, tzinfo=UTC))
    record = score_session(model, named, scene, datetime(2024, 1, 2, tzinfo=UTC))
    assert record is not None
    offline = build_features(panel, (FEATURE,)).values[-1, :, 0]
    assert [score.score for score in record.scores] == offline.tolist()


def test_a_paper_book_takes_a_split_at_its_own_session() -> None:
    prices = [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 5.0, 5.0]
    whole = make_panel({"A": prices}, actions=[(1, "A", "split", 3.0), (6, "A", "split", 2.0)])
    scores = pd.DataFrame({"A": [1.0]}, index=whole.index[3:4])
    book = keep_paper_book(whole, whole.sessions[3].item(), scores, PaperTerms(k=1))
    assert len(book.result.nav) == 5
    assert book.result.nav.iloc[-1] == pytest.approx(100_000, rel=2e-3)
    assert book.benchmark.iloc[-1] == pytest.approx(100_000, rel=2e-3)
