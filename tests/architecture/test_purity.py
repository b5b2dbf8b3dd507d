"""Pure packages stay light: a fresh interpreter loads nothing heavy with them, and no module works at import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "platform" / "investlab"
HEAVY = ("panel", "holoviews", "bokeh", "ray", "sqlalchemy", "bentoml", "fastapi", "papermill", "deltalake")
SLOW = ("skfolio", "arch", "lightgbm", "sklearn", "yfinance")
PURE = ("core", "schemas", "market", "analytics", "features", "backtest", "ml")
SLOW_MODULES = {"backtest/optimised_strategies.py", "ml/lightgbm_ranker.py", "providers/yfinance_library.py"}
"""Extensions that are loaded only when they are asked for by name."""
DYNAMIC_IMPORTS = {"__init__.py", "core/extensions.py", "core/home_extensions.py"}


def _modules(package: str) -> list[str]:
    folder = PACKAGE / package
    return [
        ".".join(("investlab", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in sorted(folder.rglob("*.py"))
        if path.name != "__init__.py" and str(path.relative_to(PACKAGE)) not in SLOW_MODULES
    ]


def _loaded(statement: str) -> set[str]:
    probe = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(outcome.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("package", PURE)
def test_a_pure_package_loads_nothing_heavy(package: str) -> None:
    loaded = _loaded("import " + ", ".join(_modules(package)))
    assert f"investlab.{package}" in loaded
    assert not loaded & {*HEAVY, *SLOW}


@pytest.mark.slow
def test_the_public_names_of_pure_packages_load_nothing_heavy() -> None:
    names = "PricePanel, Costs, simulate_weights, simulate_signals, sweep, SmaCross, MonthlyMomentum"
    loaded = _loaded(f"from investlab import {names}")
    assert "investlab.backtest.sweep" in loaded
    assert not loaded & {*HEAVY, *SLOW}


def test_importing_the_package_loads_none_of_its_parts() -> None:
    loaded = {name for name in _loaded("import investlab") if name.startswith("investlab.")}
    assert loaded == set()


def test_the_probe_sees_a_heavy_import() -> None:
    assert "sqlalchemy" in _loaded("import sqlalchemy")


def test_slow_libraries_are_imported_only_by_the_extensions_that_need_them() -> None:
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] in SLOW for name in names):
                found.add(str(path.relative_to(PACKAGE)))
    assert found == SLOW_MODULES


def test_dynamic_imports_are_only_where_they_are_listed() -> None:
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        dynamic = ("import_module(", "__import__(", "    exec(")
        if any(call in text for call in dynamic) or (".load()" in text and "entry_points" in text):
            found.add(str(path.relative_to(PACKAGE)))
    assert found == DYNAMIC_IMPORTS


def test_modules_import_at_the_top_only() -> None:
    """An import inside a function is the smell of a cycle."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = [n for n in ast.walk(node) if isinstance(n, (ast.Import, ast.ImportFrom))]
                found += [f"{path.relative_to(PACKAGE)}:{n.lineno}" for n in inner]
    assert not found


def test_the_source_root_is_no_package() -> None:
    """`platform/__init__.py` would shadow the standard library's `platform`."""
    assert not (ROOT / "platform" / "__init__.py").exists()
