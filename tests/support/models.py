"""Trained models without training, for tests of the registry; and processes that register and promote them at once."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from investlab.core.errors import Conflict
from investlab.ml.evaluation import Evaluation, FoldReport
from investlab.ml.linear import LinearWeights
from investlab.ml.trained import TrainedModel
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.registry import ArtifactFormat, InputSignature, TrainingSpec
from investlab.schemas.training import TrainingEnd, TrainingStart
from investlab.services import registry
from investlab.services.context import Context
from investlab.services.workspace import Workspace
from investlab.store.repositories import training
from tests.support.records import add_dataset
from tests.support.workspaces import make_workspace

MODEL = "us-ranker"
FEATURES = ("momentum_12_1", "return_21")
FIRST = date(2018, 1, 1)
SESSIONS = 600
PANEL = PanelRequest(dataset="us", symbols=("AAPL",))


def evaluation(level: float, *, sessions: int = SESSIONS) -> Evaluation:
    """Return an evaluation whose coefficients swing a little around a level."""
    days = tuple(FIRST + timedelta(days=number) for number in range(sessions))
    return Evaluation(
        learner="momentum_12_1",
        horizon_sessions=5,
        panel_id="pn-1",
        folds=(FoldReport(FIRST, days[-1], sessions, days[0], days[-1], level),),
        sessions=days,
        coefficients=tuple(level + 0.05 * math.sin(1.7 * number) for number in range(sessions)),
    )


def open_registry(home: Path, url: str | None = None) -> Workspace:
    """Open a workspace with one dataset that models may stand on."""
    lab = make_workspace(home, **({} if url is None else {"database_url": url}), lock_timeout_seconds=10)
    with lab.context.database.read() as session:
        is_new = not training.list_training(session)
    if is_new:
        lab.context.database.write(add_dataset)
    return lab


def trained(
    context: Context,
    number: int = 1,
    level: float = 0.05,
    *,
    artifact: bytes | None = None,
    features: Sequence[str] = FEATURES,
    sessions: int = SESSIONS,
    panel: PanelRequest = PANEL,
) -> TrainedModel:
    """Return a recorded linear model; each number has other weights and another training run."""
    found = evaluation(level, sessions=sessions)
    signature = InputSignature(features=tuple(features), horizon_sessions=5)
    weights = LinearWeights(tuple(features), tuple(float(number + place) for place in range(len(features))))
    run_id = f"tr-{number:04d}"
    start = TrainingStart(
        run_id=run_id,
        key=f"key-{number}",
        spec=TrainingSpec(learner="momentum_12_1", features=tuple(features), horizon_sessions=5),
        panel=panel,
        panel_id="pn-1",
        dataset_version=1,
        code_identity="code-1",
        lock_hash="lock-1",
        platform_version="0.1.0",
        started_at=context.clock.now(),
    )
    end = TrainingEnd(
        signature=signature,
        artifact_format=ArtifactFormat.LINEAR_JSON,
        artifact_sha256=context.artifacts.put(weights.to_bytes() if artifact is None else artifact),
        evaluation_sha256=context.artifacts.put(found.to_bytes()),
        scorecard=found.scorecard,
        ended_at=context.clock.now(),
    )
    context.database.write(lambda session: training.start_training(session, start))
    info = context.database.write(lambda session: training.complete_training(session, run_id, end))
    return TrainedModel(info, found)


def registered(context: Context, number: int = 1, level: float = 0.05) -> int:
    """Register a recorded model and return the number of its version."""
    return registry.register(context, trained(context, number, level), MODEL).number


def register_runs(home: str, url: str, run_ids: list[str]) -> list[int]:
    """Register recorded runs in a process of its own and return the numbers they got."""
    lab = make_workspace(Path(home), database_url=url, lock_timeout_seconds=10)
    numbers = []
    for run_id in run_ids:
        loaded = lab.load(run_id)
        assert isinstance(loaded, TrainedModel)
        numbers.append(registry.register(lab.context, loaded, MODEL).number)
    lab.close()
    return numbers


def promote_versions(home: str, url: str, numbers: list[int]) -> tuple[int, int]:
    """Promote versions by force in a process of its own; return how many moved and how many the rule refused."""
    lab = make_workspace(Path(home), database_url=url, lock_timeout_seconds=10)
    moved = refused = 0
    for number in numbers:
        try:
            receipt = registry.promote(lab.context, MODEL, number, actor="writer", force=number % 2 == 0)
            moved += receipt.event_hash is not None
        except Conflict:
            refused += 1
    lab.close()
    return moved, refused
