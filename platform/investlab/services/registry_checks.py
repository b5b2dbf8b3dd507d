"""What a version must pass before it is registered: its name, its bytes, its features, and that it loads."""

import re

from investlab.core.errors import InvalidInput
from investlab.features.definitions import FEATURES
from investlab.features.fundamentals import FUNDAMENTAL_FEATURES
from investlab.ml.predictor import load_predictor
from investlab.schemas.registry import ArtifactFormat, InputSignature

MODEL_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 64

OPENINGS = {ArtifactFormat.LIGHTGBM_TEXT: b"tree\n", ArtifactFormat.LINEAR_JSON: b"{"}
"""What a file of each format begins with; whatever begins otherwise is not even handed to its reader."""


def check_name(model: str) -> None:
    """Check a model's name.

    Raises:
        InvalidInput: It cannot stand in topics, addresses and file names.
    """
    if len(model) > LONGEST_NAME or not MODEL_NAME.fullmatch(model):
        raise InvalidInput(
            f"{model!r} is no name for a model.", remedy="Use small letters, digits and hyphens, such as us-ranker."
        )


def check_artifact(content: bytes, artifact_format: ArtifactFormat, signature: InputSignature) -> None:
    """Check that a model's file is of its format, can be loaded here, and takes features that are known here.

    Raises:
        InvalidInput: It is of another format, such as pickle or joblib, or a feature is unknown.
        Corrupt: It cannot be loaded.
    """
    unserved = [name for name in signature.features if name in FUNDAMENTAL_FEATURES]
    if unserved:
        raise InvalidInput(
            f"The model takes features of companies' reports, which serving does not read: {', '.join(unserved)}.",
            remedy="Train a model to be served on features of prices.",
        )
    unknown = [name for name in signature.features if name not in FEATURES]
    if unknown:
        raise InvalidInput(
            f"The model takes features that are unknown here: {', '.join(unknown)}.",
            remedy="Install the package that defines them where models are registered and served.",
        )
    if not content.startswith(OPENINGS[artifact_format]):
        raise InvalidInput(
            f"The model's file is no {artifact_format}: pickle, joblib and other formats are refused, "
            "for they can run code when they are read.",
            remedy=f"Train it with a learner that gives {' or '.join(ArtifactFormat)}.",
        )
    load_predictor(content, artifact_format, signature)
