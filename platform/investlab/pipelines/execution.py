"""One notebook executed by papermill in a kernel of this interpreter, under deadlines, with success or a sentence."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from pydantic import JsonValue

from investlab.core.errors import ExecutionFailed
from investlab.pipelines.notebooks import read_notebook, write_notebook

Progress = Callable[[str], None]
"""Called with one line of text as work advances."""


@dataclass(frozen=True, slots=True)
class NotebookJob:
    """A notebook to execute; `folder` is its working directory, `runtime` holds connection files."""

    name: str
    notebook: NotebookNode
    parameters: Mapping[str, JsonValue]
    target: Path
    folder: Path
    runtime: Path
    environment: Mapping[str, str]
    cell_timeout_seconds: int
    notebook_timeout_seconds: int
    progress: Progress


@dataclass(slots=True)
class _State:
    """What becomes known while a job runs."""

    job: NotebookJob
    cell: int = 0
    pid: int | None = None
    overdue: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def kill(self) -> None:
        """Kill the kernel and everything it started."""
        with self.lock, suppress(ProcessLookupError, PermissionError):
            if self.pid is not None:
                os.killpg(self.pid, signal.SIGKILL)

    def expire(self) -> None:
        """Kill the kernel because the notebook's time is up."""
        self.overdue = True
        self.kill()


def execute(job: NotebookJob) -> None:
    """Execute a notebook and leave it, executed as far as it got, at `job.target`.

    Raises:
        ExecutionFailed: A cell raised, a deadline passed, or the kernel died or did not start.
    """
    state = _State(job)
    partial = job.target.with_name(f".{job.target.stem}.partial.ipynb")
    deadline = threading.Timer(job.notebook_timeout_seconds, state.expire)
    deadline.daemon = True
    deadline.start()
    try:
        papermill.execute_notebook(
            deepcopy(job.notebook),
            str(partial).replace("{", "{{").replace("}", "}}"),  # papermill fills parameters into paths
            parameters=dict(job.parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=120,
            execution_timeout=job.cell_timeout_seconds,
            iopub_timeout=60,
            shutdown_kernel="immediate",
            kernel_manager_class=type("JobKernel", (_Kernel,), {"state": state}),
            on_cell_start=lambda cell, cell_index: _start_cell(state, cell_index),
        )
    except (PapermillExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as error:
        _correct_statuses(partial, state)
        raise _failure(state, error) from error
    finally:
        deadline.cancel()
        state.kill()
        if partial.exists():
            partial.replace(job.target)


class _Kernel(AsyncKernelManager):
    """Starts a kernel of this interpreter, whatever kernels are registered and whatever the notebook names."""

    state: _State

    @property
    def kernel_spec(self) -> KernelSpec:
        """The command of the kernel."""
        seconds = self.state.job.notebook_timeout_seconds * (os.cpu_count() or 1)
        module = [sys.executable, "-m", "investlab.pipelines.kernel", str(seconds)]
        arguments = ["-f", "{connection_file}", "--log-level=ERROR"]
        return KernelSpec(argv=[*module, *arguments], display_name="Python 3", language="python")

    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        job = self.state.job
        job.runtime.mkdir(parents=True, exist_ok=True)
        self.connection_file = str(job.runtime / f"kernel-{os.getpid()}-{id(self):x}.json")
        launch = {**options, "env": dict(job.environment), "cwd": str(job.folder)}
        return await super()._async_pre_start_kernel(**launch)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        await super()._async_launch_kernel(kernel_cmd, **options)
        with self.state.lock:
            self.state.pid = getattr(self.provisioner, "pid", None)


def _start_cell(state: _State, index: int) -> None:
    state.cell = max(1, index + 1 - (1 if _injected_before(state.job, index) else 0))
    state.job.progress(f"cell {state.cell}/{len(state.job.notebook.cells)}")


def _injected_before(job: NotebookJob, index: int) -> bool:
    """Say whether papermill's cell of parameters stands at or before a cell of the executed notebook."""
    tagged = [n for n, cell in enumerate(job.notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    return bool(job.parameters) and bool(tagged) and index > tagged[0]


def _failure(state: _State, error: Exception) -> ExecutionFailed:
    job = state.job
    where = f"Notebook {job.name} failed in cell {state.cell}" if state.cell else f"Notebook {job.name} did not start"
    remedy = f"As far as it got it is {job.target}."
    if state.overdue:
        what = f"it did not end within {job.notebook_timeout_seconds} s (INVESTLAB_NOTEBOOK_TIMEOUT_SECONDS)"
    elif isinstance(error, CellTimeoutError):
        what = f"the cell did not end within {job.cell_timeout_seconds} s (INVESTLAB_CELL_TIMEOUT_SECONDS)"
    elif isinstance(error, PapermillExecutionError):
        what = f"{error.ename}: {' '.join(error.evalue.split())[:400]}".rstrip(".: ")
    elif isinstance(error, DeadKernelError):
        what = "DeadKernelError: its kernel died"
        remedy = f"Look for memory exhaustion or a crash in native code. {remedy}"
    else:
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}".rstrip(".")
    return ExecutionFailed(f"{where}: {what}.", remedy=remedy, details={"notebook": job.name, "cell": state.cell})


def _correct_statuses(path: Path, state: _State) -> None:
    """Mark the cell that was running as failed: after a kernel's death papermill calls every cell completed."""
    if not path.exists() or not state.cell:
        return
    notebook = read_notebook(path)
    running = False
    position = 0
    for index, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags or "papermill-error-cell-tag" in tags:
            continue
        position += 1
        running = running or position == state.cell
        if running and "papermill" in notebook.cells[index].metadata:
            cell.metadata.papermill.status = "failed" if position == state.cell else "pending"
    write_notebook(notebook, path)
