"""Learners: what turns training rows into an artifact that a predictor can be loaded from."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Protocol, cast

from investlab.core.errors import InvalidInput, UnknownParameter
from investlab.core.extensions import LEARNERS, load_extension
from investlab.ml.training_sets import TrainingRows
from investlab.schemas.registry import ArtifactFormat


class Learner(Protocol):
    """Learns to order instruments by forward return; a frozen dataclass whose fields are its parameters."""

    artifact_format: ClassVar[ArtifactFormat]

    def fit(self, rows: TrainingRows, seed: int) -> bytes:
        """Return the artifact; the same rows and seed give the same bytes on every run and number of threads."""
        ...


def build_learner(name: str, parameters: Mapping[str, Any]) -> Learner:
    """Return the learner of a name with these parameters.

    Raises:
        NotFound: No distribution declares that learner; near matches are named.
        UnknownParameter: The learner has no such parameter.
        InvalidInput: A value is out of range, or what is declared is no learner.
    """
    kind = load_extension(LEARNERS, name)
    if not isinstance(kind, type) or not is_dataclass(kind) or not hasattr(kind, "fit"):
        raise InvalidInput(f"{name} is declared as a learner and is none.", remedy="Declare a dataclass with fit().")
    known = [each.name for each in fields(kind)]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownParameter(
                f"The learner {name} has no parameter {parameter!r}.",
                remedy=f"It takes {', '.join(known)}." if known else "It takes none.",
            )
    try:
        return cast("Learner", kind(**parameters))
    except TypeError as error:
        raise InvalidInput(f"The learner {name} cannot take {dict(parameters)}: {error}.") from error
