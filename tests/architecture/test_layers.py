"""The import contracts hold, and each of them catches a planted violation."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLANTS = {
    "layers": ("core/clock.py", "from investlab.schemas import market"),
    "cycles": ("market/actions.py", "from investlab.market import panel"),
    "models": ("services/workspace.py", "from investlab.models import core"),
    "sqlalchemy": ("services/workspace.py", "import sqlalchemy"),
    "ray": ("services/workspace.py", "import ray"),
    "papermill": ("services/workspace.py", "import papermill"),
    "charts": ("services/workspace.py", "import holoviews"),
    "bentoml": ("services/workspace.py", "import bentoml"),
    "web": ("services/workspace.py", "import fastapi"),
    "client": ("client/__init__.py", "from investlab.market import panel"),
    "pure": ("market/panel.py", "import subprocess"),
}


def _contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, object]] = settings["tool"]["importlinter"]["contracts"]
    return found


def _lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "platform")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "platform", folder / "platform", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return folder


@pytest.mark.slow
def test_the_contracts_hold() -> None:
    outcome = _lint(ROOT)
    assert outcome.returncode == 0, outcome.stdout[-3000:]
    assert f"{len(_contracts())} kept, 0 broken" in outcome.stdout


def test_every_contract_has_a_planted_violation() -> None:
    assert {str(contract["id"]) for contract in _contracts()} == set(PLANTS)


def test_only_the_adapters_may_import_bentoml() -> None:
    """The contract lists the modules of two packages one by one, so that it can leave out the two adapters."""
    sources = next(set(c["source_modules"]) for c in _contracts() if c["id"] == "bentoml")  # type: ignore[call-overload]
    package = ROOT / "platform" / "investlab"
    expected = {f"investlab.{folder.name}" for folder in package.iterdir() if (folder / "__init__.py").exists()}
    expected -= {"investlab.api", "investlab.store"}
    for inner in ("api", "store"):
        found = {f"investlab.{inner}.{path.stem}" for path in (package / inner).iterdir() if path.suffix == ".py"}
        found |= {f"investlab.{inner}.{path.parent.name}" for path in (package / inner).glob("*/__init__.py")}
        expected |= found - {f"investlab.{inner}.__init__"}
    assert sources == expected - {"investlab.api.gateway", "investlab.store.bento_export"}


def test_no_contract_ignores_an_import() -> None:
    assert not [contract["id"] for contract in _contracts() if "ignore_imports" in contract]


@pytest.mark.parametrize("contract", sorted(PLANTS))
def test_a_planted_violation_is_caught(copy: Path, contract: str) -> None:
    name, line = PLANTS[contract]
    module = copy / "platform" / "investlab" / name
    original = module.read_text(encoding="utf-8")
    module.write_text(f"{original}\n\n{line}\n", encoding="utf-8")
    try:
        outcome = _lint(copy, "--contract", contract)
    finally:
        module.write_text(original, encoding="utf-8")
    assert outcome.returncode == 1, outcome.stdout[-3000:]
    assert "0 kept, 1 broken" in outcome.stdout


def test_a_package_without_a_layer_is_caught(copy: Path) -> None:
    stray = copy / "platform" / "investlab" / "stray.py"
    stray.write_text('"""No layer."""\n', encoding="utf-8")
    try:
        outcome = _lint(copy, "--contract", "layers")
    finally:
        stray.unlink()
    assert outcome.returncode == 1
    assert "stray" in outcome.stdout
