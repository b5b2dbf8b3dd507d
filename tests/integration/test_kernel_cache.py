"""A cached kernel never outlives an edit of a kernel that it calls in another file."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEASURE = """
import pandas as pd
import investlab as il

assert il.__file__.startswith({root!r}), il.__file__
close = pd.DataFrame({{"A": [10.0, 11.0, 10.5, 12.0, 11.0]}}, index=pd.bdate_range("2024-01-01", periods=5))
panel = il.PricePanel.from_frames(close=close, basis="total_return")
weights = pd.DataFrame({{"A": [1.0]}}, index=close.index[:1])
print(il.simulate_weights(panel, weights, execution="next_close").metrics["sharpe"])
"""


def sharpe(source_root: Path) -> float:
    outcome = subprocess.run(
        [sys.executable, "-c", MEASURE.format(root=str(source_root))],
        env={**os.environ, "PYTHONPATH": str(source_root)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(outcome.stdout)


@pytest.mark.slow
def test_an_edit_of_a_called_kernel_reaches_its_callers(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "platform" / "investlab", tmp_path / "investlab", ignore=shutil.ignore_patterns("__pycache__")
    )
    before = sharpe(tmp_path)
    assert sharpe(tmp_path) == before
    caches = sorted(path.name for path in tmp_path.rglob("*.nbi"))
    assert any(name.startswith("kernels.measure") for name in caches), caches
    ratios = tmp_path / "investlab" / "analytics" / "ratios.py"
    source = ratios.read_text(encoding="utf-8")
    edited = source.replace("mean / deviation * year", "2.0 * mean / deviation * year", 1)
    assert edited != source
    ratios.write_text(edited, encoding="utf-8")
    assert sharpe(tmp_path) == pytest.approx(2 * before, rel=1e-12)
