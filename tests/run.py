"""Run everything that `make test` promises: all tests with coverage, then every notebook.

Each part is one pytest process that leaves a JUnit file in var/test/. The last line printed is the sum of all parts.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "var" / "test"
LIMIT_SECONDS = 45 * 60
WORKERS = "3"
"""More than two processors' worth: many tests wait for processes that they start or kill."""


@dataclass(frozen=True)
class Count:
    """How many tests ended which way; an error counts as a failure."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Part:
    """One pytest process."""

    name: str
    arguments: tuple[str, ...]


def parts(seed: int) -> list[Part]:
    """Return what there is to run; the notebooks only when there are some."""
    code = (
        "tests",
        "-p",
        "no:nbval",
        "-n",
        WORKERS,
        "--dist",
        "loadscope",
        f"--randomly-seed={seed}",
        "--cov",
        "--cov-report=term",
    )
    notebooks = ("notebooks", "--nbval-lax", "--nbval-cell-timeout=300", "-p", "no:randomly", "-p", "no:xdist")
    found = [Part("code", code)]
    if any((ROOT / "notebooks").glob("*.ipynb")):
        found.append(Part("notebooks", notebooks))
    return found


def count(report: Path) -> Count:
    """Read a JUnit file; a part that died before writing one is one failure."""
    if not report.exists():
        return Count(failed=1)
    total = Count()
    for suite in ET.parse(report).getroot().iter("testsuite"):
        number = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
        failed = number["failures"] + number["errors"]
        total += Count(number["tests"] - failed - number["skipped"], failed, number["skipped"])
    return total


def run(part: Part) -> int:
    """Run one part in a home of its own and return its exit code; kill it when it takes too long."""
    home = tempfile.mkdtemp(prefix="investlab-test-")
    command = [sys.executable, "-m", "pytest", *part.arguments, "-ra", f"--junitxml={REPORTS / part.name}.xml"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"INVESTLAB_HOME": home}, start_new_session=True)
    try:
        return process.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"{part.name}: stopped after {LIMIT_SECONDS} seconds", flush=True)
        return 1
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def warm_kernels() -> None:
    """Compile all kernels once, so that the processes of the tests do not each do it for themselves."""
    command = [sys.executable, "-m", "investlab.backtest.warm"]
    for process in [subprocess.Popen([*command, part], cwd=ROOT) for part in ("signals", "weights")]:
        process.wait()


def main() -> int:
    """Run all parts, whatever becomes of each, and print the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31), help="order of the tests")
    seed = parser.parse_args().seed

    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored, also by every child

    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    (ROOT / "var" / "coverage").mkdir(exist_ok=True)

    warm_kernels()
    total, codes, lines = Count(), [], []
    for part in parts(seed):
        started = time.monotonic()
        codes.append(run(part))
        counted = count(REPORTS / f"{part.name}.xml")
        total += counted
        lines.append(f"{part.name}: {counted} in {time.monotonic() - started:.0f} s, exit code {codes[-1]}")

    print(f"\n{'\n'.join(lines)}\nrepeat this order with: make test SEED={seed}", flush=True)
    print(total, flush=True)
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
