"""Cells executed in a real Jupyter kernel, and what they print."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient

PATIENCE_SECONDS = 300


def run_cells(cells: Sequence[str], folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Return what each cell prints, executed in order in a new kernel that works in `folder`.

    A cell that fails raises `nbclient.exceptions.CellExecutionError` with its traceback.
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=PATIENCE_SECONDS,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=dict(environment))
    return [
        "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")
        for cell in notebook.cells
    ]
