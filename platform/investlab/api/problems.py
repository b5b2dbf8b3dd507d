"""The kinds of problem that answers name: from the tree of errors, with a remedy for each."""

from collections.abc import Iterator
from inspect import getdoc

from investlab.core.errors import InvestlabError
from investlab.schemas.gateway import ProblemKind

REMEDIES = {
    "bad_request": "Check the address, the headers and that the body is whole JSON; `detail` says which is wrong.",
    "busy": "Send the same request again after the seconds that Retry-After names.",
    "conflict": "Read the present state again and decide on it; `detail` says what stands against the request.",
    "corrupt": "Nothing was changed. Restore the damaged file from a backup, or ingest or register it again.",
    "empty_universe": "Name symbols that have bars in the range asked for.",
    "execution_failed": "`detail` names the unit of work that failed and where its log is.",
    "forbidden": "Ask from a page whose origin is in INVESTLAB_ORIGINS, or send the access token.",
    "internal": "Report it with the request id; the log of the server has the rest under that id.",
    "invalid_input": "`details` names each field that is wrong and why; correct them and send it again.",
    "invalid_settings": "`investlab config` lists every setting with its meaning.",
    "method_not_allowed": "Use a method that the Allow header names.",
    "mixed_data": "Use data of one dataset and one price basis.",
    "model_unavailable": "Register and promote a model version, or ask again after the seconds that Retry-After names.",
    "not_found": "Check the spelling; `detail` names near matches where there are any.",
    "holdout_sealed": "End before the holdout begins, or open it with a reason; every opening is counted.",
    "not_reproducible": "`detail` names what cannot be determined or rebuilt.",
    "payload_too_large": "Send less at once; INVESTLAB_MAX_BODY_MIB is the limit.",
    "quality_rejected": "Nothing was stored. The quality report names the bars; correct the source and ingest again.",
    "storage_unavailable": "Check the disk's space and permissions and that the database can be reached.",
    "unauthorized": "Send `Authorization: Bearer <token>`, or open the address printed at the start in a browser.",
    "unknown_parameter": "Use a parameter that the receiver declares; near matches are named.",
    "unsupported_media_type": "Send JSON, uncompressed, as `Content-Type: application/json`.",
    "worker_lost": "Run it again; if it ends the same way, give it more memory or fewer workers.",
}
GENERAL_REMEDY = "`detail` says what happened and what to do about it."


def problem_kinds() -> list[ProblemKind]:
    """List every kind of problem, ordered by status and code."""
    found = {kind.code: kind for kind in _kinds(InvestlabError)}
    return sorted((_describe(kind) for kind in found.values()), key=lambda kind: (kind.status, kind.code))


def _kinds(root: type[InvestlabError]) -> Iterator[type[InvestlabError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)


def _describe(kind: type[InvestlabError]) -> ProblemKind:
    cause = "Something went wrong inside the platform." if kind is InvestlabError else (getdoc(kind) or kind.title)
    return ProblemKind(
        code=kind.code,
        title=kind.title,
        status=kind.status,
        cause=cause.split("\n\n")[0],
        remedy=REMEDIES.get(kind.code, GENERAL_REMEDY),
    )
