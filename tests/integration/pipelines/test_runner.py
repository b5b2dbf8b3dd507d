"""Pipelines run for real: papermill, kernels, a database, and everything that goes wrong with them."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from investlab.core.clock import FixedClock
from investlab.core.config import Settings
from investlab.core.errors import ExecutionFailed, InvalidInput, NotFound, UnknownParameter
from investlab.migrations.runner import upgrade
from investlab.pipelines.notebooks import read_notebook
from investlab.pipelines.plan import PipelineRequest
from investlab.pipelines.recording import DatabaseRecorder
from investlab.pipelines.reports import outside_addresses
from investlab.pipelines.runner import RunnerPorts, run_pipeline
from investlab.pipelines.spec import load_pipeline
from investlab.schemas.pipelines import PipelineRunInfo, PipelineStatus, StepStatus
from investlab.store.database import Database

pytestmark = pytest.mark.slow
CLOCK = FixedClock(datetime(2022, 1, 3, 12, tzinfo=UTC))
PARAMETERS = "#parameters\n"


@dataclass
class NoHead:
    """A head that starts nothing and counts how often it was asked for."""

    started: int = 0
    stopped: int = 0
    env: Mapping[str, str] = field(
        default_factory=lambda: {"INVESTLAB_RAY_ADDRESS": "127.0.0.1:1", "RAY_AUTH_TOKEN": "t"}
    )

    def __enter__(self) -> "NoHead":
        self.started += 1
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopped += 1


class Ground:
    """A folder with notebooks, pipelines, a home and a database."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.home = folder / "{home}"
        (self.notebooks / "pipelines").mkdir(parents=True)
        self.home.mkdir()
        url = f"sqlite:///{folder / 'db.sqlite'}"
        upgrade(url)
        self.recorder = DatabaseRecorder(Database(url, CLOCK))
        self.states: dict[str, str | None] = {}
        self.lines: list[str] = []
        self.head = NoHead()
        self.settings = Settings(home=self.home)
        self.runs = 0

    def notebook(self, name: str, *cells: str) -> None:
        """Write a notebook; a cell that begins with `#parameters` is the tagged one, with `#md` a Markdown one."""
        made = []
        for source in cells:
            if source.startswith("#md"):
                made.append(nbformat.v4.new_markdown_cell(source.removeprefix("#md")))
            else:
                tags = {"tags": ["parameters"]} if source.startswith(PARAMETERS) else {}
                made.append(nbformat.v4.new_code_cell(textwrap.dedent(source), metadata=tags))
        metadata = {"kernelspec": {"name": "no-such-kernel", "display_name": "R", "language": "R"}}
        nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), self.notebooks / name)

    def request(self, text: str, **options: Any) -> PipelineRequest:
        file = self.notebooks / "pipelines" / "daily.yaml"
        file.write_text(f"name: daily\ntitle: Daily run\n{text}", encoding="utf-8")
        self.runs += 1
        return PipelineRequest(load_pipeline(file), f"run{self.runs:05d}", "code1", "lock1", **options)

    def ports(self, **changes: Any) -> RunnerPorts:
        ports = RunnerPorts(
            recorder=self.recorder,
            dataset_state=self.states.get,
            clock=CLOCK,
            settings=self.settings,
            start_head=lambda _settings, _environment: self.head,
            progress=self.lines.append,
        )
        return replace(ports, **changes)

    def run(self, text: str, changes: Mapping[str, Any] | None = None, **options: Any) -> PipelineRunInfo:
        return run_pipeline(self.request(text, **options), self.ports(**dict(changes or {})))

    def last(self) -> PipelineRunInfo:
        return self.recorder.run(f"run{self.runs:05d}")

    def left(self) -> set[str]:
        return {path.name for path in (self.home / "runs" / f"run{self.runs:05d}").iterdir()}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def outputs(path: Path) -> str:
    cells = read_notebook(path).cells
    return "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", []))


ONE = "steps: [{name: one, notebook: 01_one.ipynb}]"


def test_a_pipeline_runs_in_order_with_its_parameters_and_leaves_pages(ground: Ground) -> None:
    ground.notebook(
        "01_ingest.ipynb",
        "#md # Ingest",
        PARAMETERS + "top: int = 3\nuntil = ''\nas_of: str = ''",
        "import os, sys; print(top, until, as_of, os.getcwd() == sys.argv[0], sys.executable)",
        "print({n: os.environ.get(n) for n in ('INVESTLAB_HOME', 'INVESTLAB_PIPELINE_STEP', 'INVESTLAB_RAY_ADDRESS')})",
        "from IPython.display import HTML\nHTML('<script src=\"https://cdn.example.org/x.js\"></script>plot')",
        "open('made_here.txt', 'w').close(); print(sorted(os.environ))",
    )
    ground.notebook("02_report.ipynb", "print(6 * 7)")
    record = ground.run(
        """
as_of: 2021-12-31
parameters: {top: 5}
steps:
  - {name: report, notebook: 02_report.ipynb, after: [ingest]}
  - {name: ingest, notebook: 01_ingest.ipynb, parameters: {until: 2020-01-01}, writes: [prices]}
""",
        {"environment": {**os.environ, "AWS_SECRET_ACCESS_KEY": "x", "INVESTLAB_TOKEN": "y", "RAY_AUTH_TOKEN": "z"}},
    )
    assert (record.status, [step.status for step in record.steps]) == (
        PipelineStatus.COMPLETED,
        [StepStatus.COMPLETED] * 2,
    )
    assert ground.left() == {"01_ingest.ipynb", "01_ingest.html", "02_report.ipynb", "02_report.html", "index.html"}
    folder = ground.home / "runs" / record.run_id
    text = outputs(folder / "01_ingest.ipynb")
    assert f"5 2020-01-01 2021-12-31T23:59:59.999999+00:00 False {sys.executable}" in text
    assert f"'INVESTLAB_HOME': '{ground.home}', 'INVESTLAB_PIPELINE_STEP': '{record.steps[0].step_id}'" in text
    assert "'INVESTLAB_RAY_ADDRESS': None" in text
    for secret in ("AWS_SECRET_ACCESS_KEY", "INVESTLAB_TOKEN", "RAY_AUTH_TOKEN"):
        assert secret not in text
    assert (ground.notebooks / "made_here.txt").exists()
    for page in folder.glob("*.html"):
        content = page.read_text(encoding="utf-8")
        assert outside_addresses(content) == []
        assert "Content-Security-Policy" in content
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert "Daily run" in index
    assert 'href="01_ingest.html"' in index
    assert "2021-12-31 23:59:59 UTC" in index
    assert ground.lines[0] == "01_ingest: started"
    assert "01_ingest: cell 3/6" in ground.lines
    assert ground.head.started == 0


def test_nothing_is_written_outside_the_home_folder(ground: Ground, tmp_path: Path) -> None:
    ground.notebook("01_one.ipynb", "import IPython\nIPython.paths.get_ipython_dir()")
    other = tmp_path / "user"
    other.mkdir()
    script = tmp_path / "run.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tests.integration.pipelines.test_runner import Ground, ONE\n"
        "ground = Ground(Path(sys.argv[2]))\n"
        "ground.notebook('01_one.ipynb', '1 + 1')\n"
        "print(ground.run(ONE).status)\n"
    )
    place = tmp_path / "ground"
    place.mkdir()
    root = str(Path(__file__).resolve().parents[3])
    outcome = subprocess.run(
        [sys.executable, str(script), root, str(place)],
        env={"PATH": os.environ["PATH"], "HOME": str(other), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.stdout == "completed\n", outcome.stderr
    assert list(other.rglob("*")) == []


def test_a_failing_cell_is_one_sentence_with_the_place_and_the_notebook(ground: Ground) -> None:
    ground.notebook("01_one.ipynb", PARAMETERS + "top = 1", "#md text", "raise ValueError('no\\nbars')", "print(1)")
    ground.notebook("02_two.ipynb", "1")
    steps = "steps: [{name: one, notebook: 01_one.ipynb, parameters: {top: 2}}, {name: two, notebook: 02_two.ipynb}]"
    with pytest.raises(ExecutionFailed) as caught:
        ground.run(steps)
    target = ground.home / "runs" / "run00001" / "01_one.ipynb"
    assert caught.value.sentence == (
        f"Notebook 01_one.ipynb failed in cell 3: ValueError: no bars. As far as it got it is {target}."
    )
    assert target.exists()
    record = ground.last()
    assert record.status is PipelineStatus.FAILED
    assert [step.status for step in record.steps] == [StepStatus.FAILED, StepStatus.PENDING]
    assert record.steps[0].notebook_path == "runs/run00001/01_one.ipynb"
    assert ground.left() == {"01_one.ipynb", "index.html"}


def test_a_killed_kernel_fails_whatever_the_output_file_says(ground: Ground) -> None:
    ground.notebook("01_one.ipynb", "1", "import os; os.kill(os.getpid(), 9)", "3")
    with pytest.raises(ExecutionFailed, match=r"failed in cell 2: DeadKernelError: its kernel died\. Look for memory"):
        ground.run(ONE)
    cells = read_notebook(ground.home / "runs" / "run00001" / "01_one.ipynb").cells
    assert [cell.metadata.papermill.status for cell in cells] == ["completed", "failed", "pending"]


def _sleepers(marker: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if marker in _command(process)]


def _command(process: psutil.Process) -> str:
    try:
        return "" if process.status() == psutil.STATUS_ZOMBIE else " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        pytest.param(
            {"cell_timeout_seconds": 2}, r"cell 1: the cell did not end within 2 s \(INVESTLAB_CELL", id="cell"
        ),
        pytest.param(
            {"notebook_timeout_seconds": 15}, r"it did not end within 15 s \(INVESTLAB_NOTEBOOK", id="notebook"
        ),
    ],
)
def test_a_deadline_ends_the_notebook_and_everything_it_started(
    ground: Ground, limits: dict[str, int], sentence: str
) -> None:
    marker = f"marker_{os.getpid()}_{min(limits.values())}"
    child = f"[sys.executable, '-c', 'import time; time.sleep(600) # {marker}']"
    ground.notebook("01_one.ipynb", f"import subprocess, sys, time\nsubprocess.Popen({child}); time.sleep(600)")
    ground.settings = Settings(home=ground.home, **limits)  # type: ignore[arg-type]
    with pytest.raises(ExecutionFailed, match=sentence):
        ground.run(ONE)
    _, alive = psutil.wait_procs(_sleepers(marker), timeout=10)
    assert not alive


def test_nothing_runs_or_is_recorded_when_a_check_fails(ground: Ground) -> None:
    ground.notebook("01_one.ipynb", PARAMETERS + "top: int = 1", "1")
    ground.notebook("02_two.ipynb", "1")
    steps = ONE[:-1] + ", {name: two, notebook: 02_two.ipynb, parameters: {top: 1}}]"
    for text, options, error in (
        (ONE, {"parameters": {"topp": 1}}, UnknownParameter),
        (ONE, {"parameters": {"top": "many"}}, InvalidInput),
        ("parameters: {tip: 1}\n" + ONE, {}, UnknownParameter),
        (steps, {}, InvalidInput),
        (ONE.replace("01_one", "00_none"), {}, NotFound),
    ):
        with pytest.raises(error):
            ground.run(text, **options)
        with pytest.raises(NotFound):
            ground.last()
    assert not (ground.home / "runs").exists()
    assert ground.lines == []


CHAIN = """
steps:
  - {name: one, notebook: 01_one.ipynb, writes: [prices]}
  - {name: two, notebook: 02_two.ipynb, after: [one], reads: [prices]}
"""


def statuses(record: PipelineRunInfo) -> str:
    return " ".join(step.status for step in record.steps)


def test_steps_are_skipped_until_something_they_stand_on_changes(ground: Ground) -> None:
    ground.notebook("01_one.ipynb", PARAMETERS + "top = 1", "top")
    ground.notebook("02_two.ipynb", "2")
    ground.states["prices"] = "version-1"
    assert statuses(ground.run(CHAIN)) == "completed completed"
    again = ground.run(CHAIN)
    assert statuses(again) == "skipped skipped"
    assert "01_one: skipped, same notebook, parameters, code and data as in run run00001" in ground.lines
    assert again.steps[0].html_path == "runs/run00001/01_one.html"
    index = (ground.home / "runs" / again.run_id / "index.html").read_text(encoding="utf-8")
    assert 'href="../run00001/01_one.html"' in index

    ground.notebook("02_two.ipynb", "2 + 0")
    assert statuses(ground.run(CHAIN)) == "skipped completed"
    (ground.home / "runs" / "run00003" / "02_two.html").write_text("changed")
    assert statuses(ground.run(CHAIN)) == "skipped completed"
    assert any("02_two.html of run run00003 is gone or changed" in line for line in ground.lines)
    ground.states["prices"] = "version-2"
    assert statuses(ground.run(CHAIN)) == "completed completed"
    assert any("dataset prices is no longer as run run00001 left it" in line for line in ground.lines)
    assert statuses(ground.run(CHAIN, parameters={"top": 2})) == "completed completed"
    assert statuses(ground.run(CHAIN, force=True)) == "completed completed"
    assert statuses(ground.run(CHAIN)) == "skipped skipped"


@pytest.mark.parametrize("change", ["code_identity", "lock_hash"])
def test_other_code_or_another_environment_skips_nothing(ground: Ground, change: str) -> None:
    ground.notebook("01_one.ipynb", "1")
    ground.run(ONE)
    request = replace(ground.request(ONE), **{change: "other"})
    assert statuses(run_pipeline(request, ground.ports())) == "completed"


@contextmanager
def running_in_another_process(ground: Ground, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tests.integration.pipelines import test_runner as t\n"
        "ground = t.Ground.__new__(t.Ground)\n"
        "ground.__dict__.update(notebooks=Path(sys.argv[2]), home=Path(sys.argv[3]), states={'prices': 'v'}, runs=0,\n"
        "  settings=t.Settings(home=Path(sys.argv[3])), head=t.NoHead(), lines=[])\n"
        "ground.recorder = t.DatabaseRecorder(t.Database(sys.argv[4], t.CLOCK))\n"
        "ground.run(t.CHAIN, {'progress': lambda line: print(line, flush=True)})\n"
    )
    root = str(Path(__file__).resolve().parents[3])
    url = f"sqlite:///{tmp_path / 'db.sqlite'}"
    arguments = [sys.executable, str(script), root, str(ground.notebooks), str(ground.home), url]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_an_interrupted_run_leaves_no_process_and_is_resumed(
    ground: Ground, tmp_path: Path, number: signal.Signals
) -> None:
    ground.states["prices"] = "v"
    ground.notebook("01_one.ipynb", "1")
    ground.notebook("02_two.ipynb", "import os, time", "print(1); time.sleep(0 if os.path.exists('go') else 600)")
    with running_in_another_process(ground, tmp_path) as process:
        assert process.stdout is not None
        while "02_two: cell 2/2" not in (line := process.stdout.readline()):
            assert line
        members = psutil.Process(process.pid).children(recursive=True)
        assert members
        process.send_signal(number)
        process.wait(60)
    _, alive = psutil.wait_procs(members, timeout=20)
    assert not alive
    ground.runs = 1
    expected = PipelineStatus.INTERRUPTED if number is signal.SIGINT else PipelineStatus.RUNNING
    assert ground.last().status is expected
    (ground.notebooks / "go").touch()
    assert statuses(ground.run(CHAIN)) == "skipped completed"


def test_one_head_serves_the_steps_that_ask_for_ray(ground: Ground) -> None:
    print_ray = "import os; print(os.environ.get('INVESTLAB_RAY_ADDRESS'), os.environ.get('INVESTLAB_EXECUTOR'))"
    for name in ("01_one.ipynb", "02_two.ipynb", "03_three.ipynb"):
        ground.notebook(name, print_ray)
    text = """
executor: ray
steps:
  - {name: one, notebook: 01_one.ipynb, executor: serial}
  - {name: two, notebook: 02_two.ipynb}
  - {name: three, notebook: 03_three.ipynb}
"""
    record = ground.run(text)
    found = [outputs(ground.home / str(step.notebook_path)) for step in record.steps]
    assert found == ["None serial\n", "127.0.0.1:1 ray\n", "127.0.0.1:1 ray\n"]
    assert (ground.head.started, ground.head.stopped) == (1, 1)
    ground.run(text)
    assert ground.head.started == 1
    ground.settings = Settings(home=ground.home, executor="serial")
    record = ground.run(text, force=True)
    assert outputs(ground.home / str(record.steps[1].notebook_path)) == "None serial\n"
    assert ground.head.started == 1
