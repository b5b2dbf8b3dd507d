"""Export: a model version leaves as a bento that carries model, service and package, and serves anywhere."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from investlab.core.errors import Conflict, ExecutionFailed, ModelUnavailable, NotFound, StorageUnavailable
from investlab.schemas.exports import BentoPlan, BuiltBento, ExportReceipt
from investlab.schemas.registry import ModelVersionInfo
from investlab.services import registry
from investlab.services.context import Context
from investlab.services.model_sources import ARTIFACT_FILE, VERSION_FILE

SERVICE = "ranker"
SERVICE_TARGET = "service.py:Ranker"
BUILD_SECONDS = 600
_PIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?==[^\\#]+", re.MULTILINE)
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "platform")


def export_model(context: Context, model: str, to: Path, *, number: int | None = None) -> ExportReceipt:
    """Build a bento of a model's champion, or of the version numbered, in a new folder under `to`.

    The folder is named `<model>-<number>`. BentoML's own stores, with the same model and bento, are in `to/bentoml`.

    Raises:
        NotFound: There is no such model or version, or the project's sources are not at hand.
        ModelUnavailable: The model has no champion.
        Conflict: It was exported to that folder before.
        Corrupt: The stored artifact is damaged.
        StorageUnavailable: The folder cannot be written.
        ExecutionFailed: The package or the bento could not be built.
    """
    version = _version(context, model, number)
    artifact = context.artifacts.get(version.artifact_sha256)
    service = context.settings.bentos.expanduser().absolute() / SERVICE
    if not (service / "service.py").exists():
        raise NotFound(
            f"There is no BentoML service in {service}.",
            remedy="Run this in the project's folder, or set INVESTLAB_BENTOS.",
        )
    home = to.expanduser().absolute()
    target = home / f"{model}-{version.number}"
    if target.exists():
        raise Conflict(f"{target} exists already.", remedy="Remove it, or export to another folder.")
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="investlab-export-") as scratch:
            built = _build(version, artifact, service, home, target, Path(scratch))
    except OSError as error:
        raise StorageUnavailable(
            f"The export cannot be written: {error.strerror or error}.", remedy="Choose another folder."
        ) from error
    wheel = next((built.folder / "env" / "python" / "wheels").glob("investlab-*.whl"))
    return ExportReceipt(
        model=model,
        model_version=version.number,
        version_id=version.version_id,
        artifact_sha256=version.artifact_sha256,
        bento=built.tag,
        folder=built.folder,
        wheel=wheel,
        install=f"pip install -r {built.folder}/env/python/requirements.txt && pip install --no-deps {wheel}",
        serve=f"bentoml serve {built.folder}",
    )


def pinned_requirements(lock: str) -> tuple[str, ...]:
    """Return the pins of a lock file with their markers, without hashes: BentoML adds a line that has none."""
    return tuple(pin.strip() for pin in _PIN.findall(lock))


def build_wheel(root: Path, scratch: Path) -> Path:
    """Build the package from the sources at `root`, copied first so that nothing is left among them.

    Raises:
        NotFound: There are no sources.
        ExecutionFailed: They do not build.
    """
    if not (root / "pyproject.toml").exists():
        raise NotFound(
            "The package's sources are not at hand, so no wheel can be built.",
            remedy="Export from a checkout of the project.",
        )
    copied, wheels = scratch / "sources", scratch / "wheels"
    copied.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in _SOURCES:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, copied / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, copied / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated", "wheel", "--quiet"]
    _run([*pip, "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(wheels), str(copied)], {})
    return next(wheels.glob("investlab-*.whl"))


def _version(context: Context, model: str, number: int | None) -> ModelVersionInfo:
    if number is not None:
        return registry.version(context, model, number)
    champion = registry.champion(context, model)
    if champion is None:
        raise ModelUnavailable(
            f"No version of {model} is champion.",
            remedy="Name a version, or promote one: `investlab model list` shows them.",
        )
    return champion


def _build(
    version: ModelVersionInfo, artifact: bytes, service: Path, home: Path, target: Path, scratch: Path
) -> BuiltBento:
    root = Path(__file__).resolve().parents[3]
    model_files = (scratch / VERSION_FILE, scratch / ARTIFACT_FILE)
    model_files[0].write_text(version.model_dump_json(indent=2) + "\n", encoding="utf-8")
    model_files[1].write_bytes(artifact)
    lock = root / "requirements.lock"
    plan = BentoPlan(
        model=version.model,
        version=version.version_id,
        service=SERVICE_TARGET,
        model_files=model_files,
        service_files=tuple(sorted(service.glob("*.py"))),
        wheels=(build_wheel(root, scratch),),
        requirements=pinned_requirements(lock.read_text(encoding="utf-8")) if lock.exists() else (),
        labels={"model": version.model, "number": str(version.number), "artifact_sha256": version.artifact_sha256[:16]},
        description=f"{version.label}: {version.learner}, trained by {version.lineage.training_run}",
        workspace=scratch,
        target=target,
    )
    (scratch / "plan.json").write_text(plan.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "investlab.store.bento_export", str(scratch / "plan.json")]
    printed = _run(command, {"BENTOML_HOME": str(home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"})
    try:
        return BuiltBento.model_validate_json(printed.strip().splitlines()[-1])
    except (ValidationError, IndexError) as error:
        raise ExecutionFailed("The bento was built, and its builder did not say where.") from error


def _run(command: list[str], environment: dict[str, str]) -> str:
    """Run a builder and return what it printed.

    Raises:
        ExecutionFailed: It failed; its last line is told.
    """
    try:
        done = subprocess.run(  # noqa: S603 (our own commands)
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ExecutionFailed(f"Building took longer than {BUILD_SECONDS} s.") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ExecutionFailed(
            f"Building failed: {lines[-1][:300]}", remedy="Its tools need setuptools, pip and bentoml."
        )
    return done.stdout
