"""Notebooks as files: found only inside their folder, hashed by what they say rather than by their outputs."""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

import nbformat
from nbformat import NotebookNode

from investlab.core.errors import InvalidInput, NotFound
from investlab.core.hashing import hash_file, hash_json

_NBFORMAT: Any = nbformat  # its functions have no type hints


def require_plain(name: str) -> None:
    """Check that a notebook's path is a plain relative one.

    Raises:
        InvalidInput: It is absolute, has `..`, hidden parts, escapes or control characters, or is no `.ipynb`.
    """
    parts = PurePosixPath(name).parts
    unsafe = (
        name.startswith(("/", "~"))
        or PureWindowsPath(name).drive
        or re.search(r"[\\%:\x00-\x1f\x7f]", name)
        or any(part.startswith(".") for part in parts)
        or not name.endswith(".ipynb")
    )
    if unsafe:
        raise InvalidInput(
            f"The notebook path {name!r} is refused.",
            remedy="Give a plain path inside the notebooks folder, such as 01_ingest.ipynb.",
        )


def find_notebook(folder: Path, name: str) -> Path:
    """Return the path of a notebook of the folder, links resolved.

    Raises:
        InvalidInput: The path is refused, or leads out of the folder through a link.
        NotFound: There is no such notebook; near matches are named.
    """
    require_plain(name)
    path = folder / name
    if not path.is_file():
        known = (found.relative_to(folder).as_posix() for found in folder.rglob("*.ipynb"))
        raise NotFound.named("notebook", name, known)
    resolved = path.resolve()
    if not resolved.is_relative_to(folder.resolve()):
        raise InvalidInput(
            f"The notebook path {name!r} leads out of {folder.name}.", remedy="Copy the notebook into it."
        )
    return resolved


def read_notebook(path: Path) -> NotebookNode:
    """Return a notebook in the current format.

    Raises:
        InvalidInput: The file is no notebook.
    """
    try:
        return cast("NotebookNode", _NBFORMAT.read(path, as_version=nbformat.current_nbformat))
    except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError) as error:
        raise InvalidInput(f"{path.name} is no notebook: {' '.join(str(error).split())[:200]}.") from error


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook."""
    _NBFORMAT.write(notebook, path)


def notebook_hash(notebook: NotebookNode) -> str:
    """Return the hash of a notebook's cells: kind, source and tags, not outputs or counts."""
    return hash_json([[cell.cell_type, cell.source, sorted(cell.metadata.get("tags", []))] for cell in notebook.cells])


def modules_hash(folder: Path) -> str:
    """Return the hash of the Python files beside the notebooks, which they may import."""
    return hash_json({path.relative_to(folder).as_posix(): hash_file(path) for path in folder.rglob("*.py")})
