"""What an export of a model is made of, and what it leaves."""

from pathlib import Path

from investlab.schemas.market import Frozen


class BentoPlan(Frozen):
    """A bento to be built: `model_files` become a model in BentoML's store, `service_files` the bento's source.

    `version` names both. `wheels` and `requirements` are what the bento's environment is installed from; `workspace` is
    a folder to build in.
    """

    model: str
    version: str
    service: str
    model_files: tuple[Path, ...]
    service_files: tuple[Path, ...]
    wheels: tuple[Path, ...]
    requirements: tuple[str, ...]
    labels: dict[str, str]
    description: str
    workspace: Path
    target: Path


class BuiltBento(Frozen):
    """A built bento: its folder holds service, model and wheels."""

    tag: str
    model_tag: str
    folder: Path


class ExportReceipt(Frozen):
    """What an export left: a bento's folder that serves anywhere once its wheel is installed there."""

    model: str
    model_version: int
    version_id: str
    artifact_sha256: str
    bento: str
    folder: Path
    wheel: Path
    install: str
    serve: str
