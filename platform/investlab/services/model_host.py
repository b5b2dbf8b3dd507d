"""The model that a process serves: loaded by hash, warmed, swapped whole, and kept through trouble."""

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from investlab.core.errors import Corrupt, InvestlabError, ModelUnavailable
from investlab.core.version import platform_version
from investlab.ml.predictor import Predictor, load_predictor
from investlab.schemas.registry import ArtifactFormat, InputSignature, ModelVersionInfo
from investlab.schemas.serving import Health
from investlab.services.model_sources import ModelSource

KEPT_VERSIONS = 2
"""The serving version and the one before it, so that a roll back needs no reading and no warming."""

LoadPredictor = Callable[[bytes, ArtifactFormat, InputSignature], Predictor]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model version with its predictor, ready to score."""

    info: ModelVersionInfo
    predictor: Predictor


class ModelHost:
    """Holds the champion of a model.

    `refresh` follows the registry and is called about once a second by whoever runs the process; `current` only reads
    a reference, so a request sees one version from beginning to end. A version that cannot be loaded, or a registry
    that cannot be read, never unloads a good one: the host is then `degraded` and says why.
    """

    def __init__(self, source: ModelSource, load: LoadPredictor = load_predictor) -> None:
        self._source = source
        self._load_predictor = load
        self._kept: OrderedDict[str, LoadedModel] = OrderedDict()
        self._serving: LoadedModel | None = None
        self._trouble: InvestlabError | None = None
        self._refreshing = threading.Lock()

    @property
    def model(self) -> str:
        """Return the name of the model that is served."""
        return self._source.model

    def refresh(self) -> bool:
        """Follow the registry, loading a new champion when there is one; return whether the served version changed.

        Never raises what the registry or a damaged artifact is to blame for: see `health`.
        """
        with self._refreshing:
            try:
                changed = self._follow()
            except InvestlabError as error:
                self._note(error)
                return False
            self._trouble = None
            return changed

    def current(self) -> LoadedModel:
        """Return the loaded champion.

        Raises:
            ModelUnavailable: No version is champion, or none could be loaded yet.
        """
        serving = self._serving
        if serving is not None:
            return serving
        if self._trouble is not None:
            raise ModelUnavailable(
                f"No version of {self.model} could be loaded: {self._trouble.detail}", remedy=self._trouble.remedy
            )
        raise _no_champion(self.model)

    def health(self) -> Health:
        """Say whether the host can answer, with which version, and what is wrong."""
        serving, trouble = self._serving, self._trouble
        detail = trouble.sentence if trouble is not None else ""
        if serving is None:
            status, detail = "unavailable", detail or _no_champion(self.model).sentence
        else:
            status = "ok" if trouble is None else "degraded"
        return Health.model_validate(
            {
                "status": status,
                "model": self.model,
                "model_version": serving.info.number if serving else None,
                "artifact_sha256": serving.info.artifact_sha256 if serving else None,
                "detail": detail,
                "platform_version": platform_version(),
            }
        )

    def _follow(self) -> bool:
        champion = self._source.champion()
        if champion is None:
            if self._serving is not None:
                raise _no_champion(self.model)
            return False
        if self._serving is not None and self._serving.info.version_id == champion.version_id:
            return False
        loaded = self._kept.get(champion.version_id) or self._load(champion)
        self._serving = loaded
        self._keep(loaded)
        _log.info("serving %s", champion.label)
        return True

    def _load(self, version: ModelVersionInfo) -> LoadedModel:
        """Read, check, build and warm a version.

        Raises:
            Corrupt: The bytes have another hash, or do not make a predictor of the version's signature.
        """
        content = self._source.artifact(version)
        found = hashlib.sha256(content).hexdigest()
        if found != version.artifact_sha256:
            raise Corrupt(
                f"The artifact of {version.label} is damaged: its SHA-256 is {found[:12]}…, not "
                f"{version.artifact_sha256[:12]}….",
                remedy="Restore the artifact from a backup, or promote another version.",
            )
        try:
            predictor = self._load_predictor(content, version.artifact_format, version.signature)
            _warm(predictor, len(version.signature.features))
        except InvestlabError:
            raise
        except Exception as error:  # whatever a library makes of odd bytes must not end a good model
            raise Corrupt(
                f"The artifact of {version.label} does not load: {type(error).__name__}.",
                remedy="Promote another version.",
            ) from error
        return LoadedModel(version, predictor)

    def _keep(self, loaded: LoadedModel) -> None:
        self._kept[loaded.info.version_id] = loaded
        self._kept.move_to_end(loaded.info.version_id)
        while len(self._kept) > KEPT_VERSIONS:
            self._kept.popitem(last=False)

    def _note(self, error: InvestlabError) -> None:
        """Remember what is wrong; the log tells it once, not every second."""
        if self._trouble is None or self._trouble.sentence != error.sentence:
            _log.warning("%s: %s", self.model, error.sentence)
        self._trouble = error


def _warm(predictor: Predictor, features: int) -> None:
    """Score one row, so that the first caller does not wait for a library to set itself up."""
    row = np.zeros((1, features))
    scores, contributions = predictor.scores(row), predictor.contributions(row)
    predictor.baseline(row)
    if scores.shape != (1,) or contributions.shape != (1, features) or not np.isfinite(scores).all():
        raise Corrupt("The artifact scores a row of zeros with something else than one finite number.")


def _no_champion(model: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"No version of {model} is champion.",
        remedy=f"Run `investlab demo`, or promote a version: `investlab model promote {model} NUMBER`.",
    )
