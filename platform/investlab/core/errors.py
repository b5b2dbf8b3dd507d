"""The error tree: every error has a stable code, an HTTP status, an exit code, and a remedy."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class InvestlabError(Exception):
    """Something investlab can name; `detail` says what happened and `remedy` what to do about it."""

    code = "internal"
    status = 500
    exit_code = 1
    title = "Internal error"

    def __init__(self, detail: str, *, remedy: str = "", details: Mapping[str, object] | None = None) -> None:
        self.detail = detail
        self.remedy = remedy
        self.details = dict(details or {})
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """The detail and its remedy as one line of text."""
        return " ".join(part.strip() for part in (self.detail, self.remedy) if part)


class InvalidInput(InvestlabError):
    """The caller's input cannot be used as it is."""

    code = "invalid_input"
    status = 422
    exit_code = 2
    title = "Invalid input"


class UnknownParameter(InvalidInput):
    """A parameter was given that the receiver does not declare."""

    code = "unknown_parameter"
    title = "Unknown parameter"


class EmptyUniverse(InvalidInput):
    """A request selects no instrument at all."""

    code = "empty_universe"
    title = "Empty universe"


class MixedData(InvalidInput):
    """Data of different datasets or price bases were about to be mixed."""

    code = "mixed_data"
    title = "Mixed data"


class InvalidSettings(InvalidInput):
    """A setting has a value that cannot be used."""

    code = "invalid_settings"
    title = "Invalid settings"


class NotFound(InvestlabError):
    """The named thing does not exist."""

    code = "not_found"
    status = 404
    exit_code = 3
    title = "Not found"

    @classmethod
    def named(cls, kind: str, name: str, known: Iterable[str], *, remedy: str = "") -> "NotFound":
        """Build the error for an unknown name, naming its near matches among `known`, the nearest first."""
        names = sorted(set(known))
        near = get_close_matches(name.upper(), [n.upper() for n in names], n=3, cutoff=0.5)
        matches = sorted((n for n in names if n.upper() in near), key=lambda n: near.index(n.upper()))
        if matches:
            hint = f"Did you mean {', '.join(matches)}?"
        elif names:
            hint = f"Known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}."
        else:
            hint = ""
        return cls(
            f"Unknown {kind} {name!r}.", remedy=" ".join(filter(None, (hint, remedy))), details={"near": matches}
        )


class Conflict(InvestlabError):
    """The request contradicts what is already there."""

    code = "conflict"
    status = 409
    exit_code = 4
    title = "Conflict"


class HoldoutSealed(Conflict):
    """The data asked for are held out, and nothing has opened them."""

    code = "holdout_sealed"


class Busy(InvestlabError):
    """Another writer holds the resource; the same request may succeed later."""

    code = "busy"
    status = 503
    exit_code = 5
    title = "Busy"
    retry_after_seconds = 5


class StorageUnavailable(InvestlabError):
    """The disk or the database refuses to take or give data."""

    code = "storage_unavailable"
    status = 503
    exit_code = 5
    title = "Storage unavailable"


class Corrupt(InvestlabError):
    """Stored data is damaged; nothing was changed."""

    code = "corrupt"
    status = 500
    exit_code = 6
    title = "Corrupt data"


class QualityRejected(InvestlabError):
    """Bars failed their quality checks; nothing was stored."""

    code = "quality_rejected"
    status = 422
    exit_code = 2
    title = "Quality checks failed"


class ExecutionFailed(InvestlabError):
    """A unit of work failed: a worker, a kernel or a notebook cell."""

    code = "execution_failed"
    status = 500
    exit_code = 7
    title = "Execution failed"


class WorkerLost(ExecutionFailed):
    """A worker process died and its work could not be completed elsewhere."""

    code = "worker_lost"
    title = "Worker lost"


class NotReproducible(InvestlabError):
    """What a run depends on cannot be determined or rebuilt."""

    code = "not_reproducible"
    status = 409
    exit_code = 4
    title = "Not reproducible"


class Unauthorized(InvestlabError):
    """The caller showed no credential, or a wrong one."""

    code = "unauthorized"
    status = 401
    exit_code = 8
    title = "Unauthorized"


class Forbidden(InvestlabError):
    """The caller may not do this from where it is."""

    code = "forbidden"
    status = 403
    exit_code = 8
    title = "Forbidden"


class BadRequest(InvalidInput):
    """The request cannot be read at all."""

    code = "bad_request"
    status = 400
    title = "Bad request"


class MethodNotAllowed(InvalidInput):
    """The address exists and does not take this method."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"


class PayloadTooLarge(InvalidInput):
    """The request's body is longer than allowed."""

    code = "payload_too_large"
    status = 413
    title = "Payload too large"


class UnsupportedMediaType(InvalidInput):
    """The request's body is of a type that is not read here."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"


class ModelUnavailable(InvestlabError):
    """No model version can answer now."""

    code = "model_unavailable"
    status = 503
    exit_code = 5
    title = "Model unavailable"
    retry_after_seconds = 5
