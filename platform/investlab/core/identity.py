"""Identity of code: what a run's result depends on besides its spec and its data."""

import functools
import hashlib
import importlib.metadata
import platform
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from investlab.core.hashing import hash_file, hash_json
from investlab.core.reach import Reach
from investlab.core.version import platform_version

_FORMAT = 1
_HEADER = re.compile(r"^(Name|Version): *(.+?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Identity:
    """The hash of everything an object reaches by value; None when parts of it could not be determined."""

    hash: str | None
    undetermined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GitState:
    """The commit of a working tree; `dirty` when the tree differs from it."""

    commit: str
    dirty: bool


@functools.cache
def code_identity() -> str:
    """Return the hash of the package's version and source on disk when first asked, so that uncommitted edits count.

    It is asked for when a workspace opens: what is edited later is not what this process runs.
    """
    root = Path(__file__).resolve().parents[1]
    sources = {path.relative_to(root).as_posix(): hash_file(path) for path in root.rglob("*.py")}
    return hash_json({"version": platform_version(), "sources": sources})


@functools.cache
def lock_hash() -> str:
    """Return the hash of the interpreter's version and of every installed distribution's name and version.

    What a package carries within itself and puts on the path when it is imported, as Ray does, is not counted.
    """
    packages = Path(sysconfig.get_path("purelib"))
    paths = [path for path in sys.path if packages not in Path(path).parents]
    installed = {_named(found) for found in importlib.metadata.distributions(path=paths)}
    lines = [f"python=={platform.python_version()}", *sorted(installed)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _named(found: importlib.metadata.Distribution) -> str:
    """Return a distribution's name and version, without parsing its whole metadata, which takes ten times as long."""
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    told = dict(_HEADER.findall(text.partition("\n\n")[0]))
    return f"{told['Name'].lower()}=={told['Version']}" if len(told) == 2 else f"{found.name.lower()}=={found.version}"


@functools.cache
def source_version() -> str:
    """Return the platform's version, with the commit it was checked out at and `dirty` if it was edited since."""
    package = Path(__file__).resolve().parents[1]
    tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")
    state = git_state(package) if tracked else None
    if state is None:
        return platform_version()
    return f"{platform_version()}+g{state.commit[:12]}{'.dirty' if state.dirty else ''}"


def git_state(folder: Path) -> GitState | None:
    """Return the commit that a folder's working tree stands on, or None without git or a commit."""
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain")
    return None if commit is None or changes is None else GitState(commit.strip(), bool(changes.strip()))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        outcome = subprocess.run(  # noqa: S603 (fixed arguments)
            ["git", "-C", str(folder), *arguments],  # noqa: S607 (git is where the PATH says)
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return outcome.stdout if outcome.returncode == 0 else None


def identity_of(value: object) -> Identity:
    """Return the identity of a strategy's class, instance or function.

    What an installed distribution defines counts as its qualified name and the distribution's version, what investlab
    defines as its name (`code_identity` covers its source). Everything else, such as code of a notebook's cells or of
    a module beside it, counts by value: bytecode, constants, defaults, closures, referenced globals, and classes with
    their methods and bases. Line numbers, comments, file names, memory addresses and set order do not count.
    """
    reach = Reach()
    digest = reach.digest(value)
    if reach.undetermined:
        return Identity(None, tuple(sorted(set(reach.undetermined))))
    return Identity(hash_json([_FORMAT, platform.python_version_tuple()[:2], digest]))
