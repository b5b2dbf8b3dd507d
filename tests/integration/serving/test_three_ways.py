"""One service file, three ways: under the gateway, by `bentoml serve` in a checkout, and built, in another environment.

All three give the same scores to the bit, ask for the token, and speak of errors in the one shape.
"""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from investlab.ml.predictor import load_predictor
from investlab.schemas.exports import ExportReceipt
from investlab.schemas.registry import TrainingSpec
from investlab.services import registry
from investlab.services.exporting import export_model
from investlab.services.training import run_training
from investlab.services.workspace import Workspace
from tests.support.served_homes import (
    BEARER,
    DATASET,
    FEATURES,
    MODEL,
    ROOT,
    SYMBOLS,
    Served,
    bentoml_process,
    crown,
    environment,
    fill_home,
    gateway_process,
)

pytestmark = pytest.mark.slow
RANDOM = np.random.default_rng(7)
ROWS = [dict(zip(FEATURES, RANDOM.normal(0, 0.1, len(FEATURES)).tolist(), strict=True)) for _ in range(50)]
WAYS = ("gateway", "checkout", "built")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A home whose champion is a LightGBM ranker."""
    with pytest.MonkeyPatch.context() as patch:
        opened = fill_home(patch, tmp_path_factory.mktemp("ways") / "home")
    panel = opened.panel(SYMBOLS, ["close"], dataset=DATASET)
    spec = TrainingSpec(
        learner="lightgbm_ranker", features=FEATURES, horizon_sessions=5, folds=2, parameters={"min_rows_in_leaf": 10}
    )
    version = registry.register(opened.context, run_training(opened.context, spec, panel), MODEL)
    crown(opened.context, version.number)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def exported(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> ExportReceipt:
    return export_model(workspace.context, MODEL, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def elsewhere(exported: ExportReceipt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment outside the checkout, with the bento's wheel and the third-party packages."""
    folder = tmp_path_factory.mktemp("elsewhere") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (package_folder,) = folder.glob("lib/python*/site-packages")
    # A path is not a site: what it has of editable installs is not followed.
    (package_folder / "third-party.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*install, "--no-warn-script-location", str(exported.wheel)], check=True, cwd=folder)
    return python


@pytest.fixture(scope="module", params=WAYS)
def served(
    request: pytest.FixtureRequest, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home, folder = workspace.context.settings.home_path, tmp_path_factory.mktemp(request.param)
    log = folder / "server.log"
    surroundings = {**environment(home), "BENTOML_HOME": str(folder / "bentoml")}
    if request.param == "gateway":
        with gateway_process(home, log) as found:
            yield found
    elif request.param == "checkout":
        target = ("service:Ranker", "--working-dir", str(ROOT / "bentos" / "ranker"))
        with bentoml_process(target, log, surroundings, folder) as found:
            yield found
    else:
        exported = request.getfixturevalue("exported")
        python = request.getfixturevalue("elsewhere")
        alone = {**environment(None), "BENTOML_HOME": str(folder / "bentoml"), "PYTHONPATH": ""}
        with bentoml_process((str(exported.folder),), log, alone, folder, python) as found:
            yield found


def test_the_bento_carries_its_own_package(elsewhere: Path) -> None:
    found = subprocess.run(
        [str(elsewhere), "-c", "import investlab; print(investlab.__file__)"],
        env={**os.environ, "PYTHONPATH": ""},
        cwd=elsewhere.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(elsewhere.parents[1])


def test_the_scores_are_those_of_the_registry_to_the_bit(served: Served, workspace: Workspace) -> None:
    version = registry.champion(workspace.context, MODEL)
    assert version is not None
    content = workspace.context.artifacts.get(version.artifact_sha256)
    predictor = load_predictor(content, version.artifact_format, version.signature)
    expected = predictor.scores(np.array([[row[name] for name in FEATURES] for row in ROWS]))
    status, answer = served.predict(features=ROWS)
    assert status == 200
    assert [score["score"] for score in answer["values"]] == expected.tolist()
    assert (answer["model"], answer["model_version"], answer["run_id"]) == (
        MODEL,
        version.number,
        version.lineage.training_run,
    )
    assert len(set(expected.tolist())) > 1


def test_anonymous_callers_are_refused(served: Served) -> None:
    for path in ("/v1/predict", "/v1/health"):
        status, problem = served.ask("POST", path, {"features": ROWS[:1]}, headers={})
        assert (status, problem["code"]) == (401, "unauthorized")
    assert served.ask("POST", "/v1/predict", {"features": ROWS[:1]}, {"Authorization": "Bearer wrong"})[0] == 401


@pytest.mark.parametrize(
    ("request_body", "status", "code"),
    [
        pytest.param({"features": [{"alien": 1.0}]}, 422, "invalid_input", id="another-feature"),
        pytest.param({"features": "none"}, 422, "invalid_input", id="another-type"),
        pytest.param({}, 422, "invalid_input", id="nothing"),
    ],
)
def test_errors_have_the_one_shape(served: Served, request_body: object, status: int, code: str) -> None:
    answered, problem = served.ask("POST", "/v1/predict", request_body)
    assert (answered, problem["status"], problem["code"]) == (status, status, code)
    assert problem["request_id"]


def test_unknown_addresses_and_pickles_are_refused_in_the_one_shape(served: Served) -> None:
    assert served.ask("GET", "/v1/nothing")[1]["code"] == "not_found"
    pickled = {**BEARER, "Content-Type": "application/vnd.bentoml+pickle"}
    status, problem = served.ask("POST", "/v1/predict", headers=pickled, raw=b"cposix\nsystem\n")
    assert (status, problem["code"]) == (415, "unsupported_media_type")


def test_health_names_the_version(served: Served) -> None:
    health = served.health()
    assert (health["status"], health["model"], health["model_version"]) == ("ok", MODEL, 1)


def test_symbols_need_a_store(served: Served, request: pytest.FixtureRequest) -> None:
    status, answer = served.predict(symbols=list(SYMBOLS[:2]))
    if "built" in request.node.name:
        assert (status, answer["code"]) == (503, "model_unavailable")
        assert "no store of prices" in answer["detail"]
        assert "Send `features`" in answer["detail"]
    else:
        assert status == 200
        assert [score["symbol"] for score in answer["values"]] == list(SYMBOLS[:2])


def test_without_a_token_a_service_makes_and_prints_one(workspace: Workspace, tmp_path: Path) -> None:
    surroundings = {**environment(workspace.context.settings.home_path), "BENTOML_HOME": str(tmp_path / "bentoml")}
    del surroundings["INVESTLAB_TOKEN"]
    target = ("service:Ranker", "--working-dir", str(ROOT / "bentos" / "ranker"))
    with bentoml_process(target, tmp_path / "server.log", surroundings, tmp_path) as served:
        printed = re.findall(r"Access token of this service: (\S+)", served.told())
        assert len(printed) == 1
        assert served.ask("POST", "/v1/health", {})[0] == 401
        assert served.ask("POST", "/v1/health", {}, {"Authorization": f"Bearer {printed[0]}"})[0] == 200
