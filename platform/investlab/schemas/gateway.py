"""What the gateway says of itself: whether it can answer, the models it knows, and the kinds of problem."""

from typing import Literal

from investlab.schemas.market import Frozen
from investlab.schemas.registry import ModelVersionInfo


class Liveness(Frozen):
    """The process runs."""

    status: Literal["alive"] = "alive"


class Readiness(Frozen):
    """The gateway can answer; `degraded` names the parts that cannot do all they should, and why."""

    status: Literal["ready"] = "ready"
    degraded: dict[str, str]


class RegisteredModel(Frozen):
    """A model with its versions, latest first, and the numbers its aliases stand at."""

    model: str
    champion: int | None
    challenger: int | None
    versions: tuple[ModelVersionInfo, ...]


class ProblemKind(Frozen):
    """A kind of problem: what it means and what to do about it."""

    code: str
    title: str
    status: int
    cause: str
    remedy: str
