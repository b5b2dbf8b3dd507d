"""The doctor: is the ground sound? Libraries, home, disk, descriptors, database, stored bars."""

import ctypes
import os
import resource
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from investlab.core.config import Settings, unknown_variables
from investlab.core.errors import InvestlabError
from investlab.migrations.runner import current, head, pending
from investlab.schemas.market import Frozen

FREE_GIB = 2
DESCRIPTORS = 1024
OLDEST_PYTHON = (3, 12)


class DoctorFinding(Frozen):
    """One check: `ok`, `warning` or `problem`, what was seen, and what to do about it."""

    check: str
    state: Literal["ok", "warning", "problem"]
    seen: str
    remedy: str = ""


def examine(settings: Settings) -> list[DoctorFinding]:
    """Return every check's finding in a fixed order; nothing is changed or created."""
    return [
        _python(),
        _packages(),
        _openmp(),
        _home(settings.home_path),
        _disk(settings.home_path),
        _descriptors(),
        _variables(),
        _database(settings),
    ]


def _python() -> DoctorFinding:
    seen = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < OLDEST_PYTHON:
        return DoctorFinding(check="python", state="problem", seen=seen, remedy="Use CPython 3.12 or newer.")
    return DoctorFinding(check="python", state="ok", seen=seen)


def _packages() -> DoctorFinding:
    needed = [Requirement(line) for line in requires("investlab") or ()]
    missing = []
    for requirement in needed:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            missing.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            missing.append(f"{requirement.name} is {found}, not {requirement.specifier}")
    if missing:
        return DoctorFinding(check="packages", state="problem", seen="; ".join(missing), remedy="Run `make setup`.")
    return DoctorFinding(check="packages", state="ok", seen=f"{len(needed)} requirements hold")


def _openmp() -> DoctorFinding:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return DoctorFinding(
            check="OpenMP",
            state="warning",
            seen="libgomp.so.1 is not found, so LightGBM cannot be loaded",
            remedy="Run `make setup`, which links the copy that scikit-learn brings.",
        )
    return DoctorFinding(check="OpenMP", state="ok", seen="libgomp.so.1 loads")


def _home(home: Path) -> DoctorFinding:
    nearest = home
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        return DoctorFinding(
            check="home",
            state="problem",
            seen=f"{nearest} cannot be written",
            remedy="Set INVESTLAB_HOME to a folder that can be written.",
        )
    return DoctorFinding(check="home", state="ok", seen=str(home))


def _disk(home: Path) -> DoctorFinding:
    nearest = home
    while not nearest.exists():
        nearest = nearest.parent
    free = shutil.disk_usage(nearest).free / 2**30
    seen = f"{free:.1f} GiB free"
    if free < FREE_GIB:
        return DoctorFinding(check="disk", state="warning", seen=seen, remedy=f"Free at least {FREE_GIB} GiB.")
    return DoctorFinding(check="disk", state="ok", seen=seen)


def _descriptors() -> DoctorFinding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    seen = f"{soft} open files allowed"
    if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS:
        return DoctorFinding(check="descriptors", state="warning", seen=seen, remedy="Run `ulimit -n 4096`.")
    return DoctorFinding(check="descriptors", state="ok", seen=seen)


def _variables() -> DoctorFinding:
    unknown = unknown_variables()
    if unknown:
        return DoctorFinding(
            check="variables",
            state="warning",
            seen=f"no setting is named {', '.join(unknown)}",
            remedy="`investlab config` lists the settings.",
        )
    return DoctorFinding(check="variables", state="ok", seen="every INVESTLAB_ variable is a setting")


def _database(settings: Settings) -> DoctorFinding:
    if settings.database_url is None and not (settings.home_path / "investlab.db").exists():
        return DoctorFinding(check="database", state="ok", seen="none yet; it is created when first needed")
    try:
        revision = current(settings.sqlalchemy_url)
        pending(settings.sqlalchemy_url)  # refuses a database that is newer than this version
    except InvestlabError as error:
        return DoctorFinding(check="database", state="problem", seen=error.detail, remedy=error.remedy)
    if revision != head():
        seen = f"revision {revision or 'none'}, newest is {head()}"
        return DoctorFinding(check="database", state="warning", seen=seen, remedy="Run `investlab db upgrade`.")
    return DoctorFinding(check="database", state="ok", seen=f"revision {revision}")
