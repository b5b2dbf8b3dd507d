"""How a trained model shows itself: what it is worth out of sample, year by year, and what it stands on."""

import holoviews as hv
import pandas as pd

from investlab.charts import facts
from investlab.charts.coefficients import yearly_ic_chart
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.markup import Html, definitions, element, join, table
from investlab.charts.pages import page
from investlab.charts.units import count, day, moment, number, short_hash
from investlab.ml.evaluation import FoldReport
from investlab.ml.trained import TrainedModel
from investlab.schemas.registry import Scorecard

DIGITS = 4
LABEL = "Mean information coefficient of each year out of sample"
MEANING = (
    "The information coefficient is the rank correlation of scores with the returns that followed, one for each "
    "session; every session was scored by a model trained on sessions whose returns were known before it."
)


class ScorecardRenderer:
    """Renders a `TrainedModel`."""

    @staticmethod
    def html(trained: TrainedModel) -> str:
        """Return the information coefficient with its interval, its years, and the run's lineage."""
        return card(_headline(trained), _body(trained), figure=_figure(trained))

    @staticmethod
    def plot(trained: TrainedModel) -> hv.Overlay:
        """Return the mean information coefficient of each year."""
        return show_in_jupyter(_figure(trained))

    @staticmethod
    def report(trained: TrainedModel) -> str:
        """Return a page with the cell's content and what each fold was trained and tested on."""
        content = join((_body(trained), _folds(trained.evaluation.folds)))
        return page(_title(trained), card(_headline(trained), content, figure=_figure(trained)))


def _figure(trained: TrainedModel) -> hv.Overlay:
    by_session: pd.Series = trained.evaluation.by_session
    return yearly_ic_chart(by_session)


def _title(trained: TrainedModel) -> str:
    return f"Trained model: {trained.run.spec.learner}"


def _headline(trained: TrainedModel) -> Html:
    spec, scored = trained.run.spec, trained.scorecard
    under = (
        f"{count(len(spec.features), 'feature')}, {spec.horizon_sessions} sessions ahead",
        f"out of sample from {_day(scored.first_session)} to {_day(scored.last_session)}",
        count(len(trained.run.lineage.symbols), "instrument"),
    )
    return element("header", facts.heading(_title(trained)), element("p", " · ".join(under), class_="il-under"))


def _body(trained: TrainedModel) -> Html:
    run, lineage = trained.run, trained.run.lineage
    return join(
        (
            _tiles(trained.scorecard),
            chart(LABEL),
            facts.facts(
                [
                    ("Features", ", ".join(run.spec.features)),
                    ("Parameters", ", ".join(f"{name}={value}" for name, value in run.spec.parameters.items())),
                    ("Trained", f"{run.spec.folds} folds in time, every {run.spec.sample_every_sessions} sessions"),
                    ("Seed", str(run.spec.seed)),
                    ("Data", f"{lineage.dataset}@{lineage.dataset_version}, as of {moment(lineage.as_of)}"),
                    ("Panel", facts.code(lineage.panel_id)),
                    ("Run", facts.code(run.run_id)),
                    ("Code", facts.code(lineage.code_identity)),
                    ("Artifact", _artifact(trained)),
                    ("Platform", lineage.platform_version),
                ]
            ),
            element("ul", element("li", MEANING), class_="il-notes"),
        )
    )


def _tiles(scored: Scorecard) -> Html:
    mean = number(scored.information_coefficient, DIGITS, signed=True)
    interval = (
        f"{number(scored.interval_low, DIGITS, signed=True)} to {number(scored.interval_high, DIGITS, signed=True)}"
    )
    return definitions(
        [
            ("Information coefficient", facts.judged(scored.information_coefficient, mean)),
            (f"{scored.confidence:.0%} interval", interval),
            ("Sessions scored", f"{scored.observations:,}"),
            ("Without overlap", f"{scored.effective_observations:,}"),
        ],
        "il-metrics",
    )


def _artifact(trained: TrainedModel) -> Html | str:
    run = trained.run
    if run.artifact_sha256 is None:
        return ""
    return element("code", f"{run.artifact_format} {short_hash(run.artifact_sha256)}", title=run.artifact_sha256)


def _folds(folds: tuple[FoldReport, ...]) -> Html:
    rows = [
        [
            str(place),
            f"{_day(fold.train_first)} to {_day(fold.train_last)}",
            f"{fold.training_sessions:,}",
            f"{_day(fold.test_first)} to {_day(fold.test_last)}",
            facts.judged(fold.information_coefficient, number(fold.information_coefficient, DIGITS, signed=True)),
        ]
        for place, fold in enumerate(folds, start=1)
    ]
    return table(["Fold", "Trained on", "Sessions", "Tested on", "IC"], rows, "Folds, in the order of time")


def _day(session: object) -> str:
    return day(session) if session is not None else "–"  # type: ignore[arg-type]  # a date wherever there is one
