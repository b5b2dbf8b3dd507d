"""Where a served model comes from: the registry of a workspace, or a folder that a built bento carries."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from investlab.core.errors import Corrupt, StorageUnavailable
from investlab.schemas.registry import ModelVersionInfo
from investlab.services import registry
from investlab.services.context import Context

VERSION_FILE = "version.json"
ARTIFACT_FILE = "artifact"


class ModelSource(Protocol):
    """Says which version of a model is champion, and gives its artifact."""

    @property
    def model(self) -> str:
        """Return the model's name."""
        ...

    def champion(self) -> ModelVersionInfo | None:
        """Return the champion, None when there is none; asked every second, so it must be cheap."""
        ...

    def artifact(self, version: ModelVersionInfo) -> bytes:
        """Return the bytes of a version's artifact; whoever loads them checks their hash."""
        ...


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """The registry and artifacts of a workspace: the champion is whatever was promoted last."""

    context: Context
    model: str

    def champion(self) -> ModelVersionInfo | None:
        """Return the registry's champion."""
        return registry.champion(self.context, self.model)

    def artifact(self, version: ModelVersionInfo) -> bytes:
        """Return the artifact from the artifact store.

        Raises:
            NotFound: It is gone.
            Corrupt: Its bytes have another hash.
        """
        return self.context.artifacts.get(version.artifact_sha256)


@dataclass(frozen=True, slots=True)
class PackagedSource:
    """One version in a folder: `version.json` and the artifact beside it, as `investlab model export` writes them."""

    folder: Path
    version: ModelVersionInfo

    @classmethod
    def open(cls, folder: Path) -> "PackagedSource":
        """Open a folder that holds one version.

        Raises:
            StorageUnavailable: The folder cannot be read.
            Corrupt: It does not describe a model version.
        """
        try:
            return cls(folder, ModelVersionInfo.model_validate_json((folder / VERSION_FILE).read_bytes()))
        except OSError as error:
            raise StorageUnavailable(f"The packaged model cannot be read: {error.strerror or error}.") from error
        except ValidationError as error:
            raise Corrupt(
                f"{VERSION_FILE} of the packaged model is damaged.", remedy="Export the model again."
            ) from error

    @property
    def model(self) -> str:
        """Return the model's name."""
        return self.version.model

    def champion(self) -> ModelVersionInfo | None:
        """Return the one version there is."""
        return self.version

    def artifact(self, version: ModelVersionInfo) -> bytes:
        """Return the artifact's bytes.

        Raises:
            StorageUnavailable: The file cannot be read.
        """
        try:
            return (self.folder / ARTIFACT_FILE).read_bytes()
        except OSError as error:
            raise StorageUnavailable(
                f"The artifact of {version.label} cannot be read: {error.strerror or error}."
            ) from error
