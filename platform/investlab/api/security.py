"""The checks on a request's head: its host name, its credential and its origin."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto

from investlab.api.policy import EdgePolicy
from investlab.core.errors import BadRequest, Forbidden, Unauthorized

ONCE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"origin",
        b"transfer-encoding",
        b"x-request-id",
    }
)
"""Headers that are decided on here and read again below: given twice, the two could read different ones."""

_HOST = re.compile(rb"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
Headers = Mapping[bytes, bytes]


class Means(Enum):
    """How a caller showed who it is."""

    TOKEN = auto()
    COOKIE = auto()


def head_of(given: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name.

    Raises:
        BadRequest: One that decides something is given twice.
    """
    pairs = list(given)
    headers = dict(pairs)
    if len(headers) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted(name for name in ONCE if names.count(name) > 1)
        if twice:
            raise BadRequest(f"The header {twice[0].decode()} is given twice.", remedy="Send it once.")
    return headers


def require_host(policy: EdgePolicy, headers: Headers) -> None:
    """Check that the request is addressed to a name of ours, so that no foreign name can be bound to this machine.

    Raises:
        BadRequest: It is not, or names no host.
    """
    found = _HOST.fullmatch(headers.get(b"host", b""))
    if found is None or found[1].decode("ascii").lower() not in policy.hosts:
        raise BadRequest(
            "The Host header names no host that is served here.",
            remedy="Use the address that was printed, or add it to INVESTLAB_ORIGINS.",
        )


def identify(policy: EdgePolicy, headers: Headers) -> Means:
    """Say by what means the caller is known; a bearer token that is given decides alone.

    Raises:
        Unauthorized: There is no credential, or a wrong one.
    """
    authorization = headers.get(b"authorization", b"")
    if authorization[:7].lower() == b"bearer ":
        if policy.credentials.accepts_bearer(authorization.decode("latin-1")):
            return Means.TOKEN
        raise Unauthorized("The access token is wrong.", remedy="Use the token that was printed when it started.")
    cookie = headers.get(b"cookie")
    if cookie is not None and policy.credentials.accepts_cookie(cookie.decode("latin-1")):
        return Means.COOKIE
    raise Unauthorized(
        "No credential was shown.",
        remedy="Send `Authorization: Bearer <token>`, or open the printed address in the browser.",
    )


def require_origin(policy: EdgePolicy, headers: Headers, means: Means, *, needed: bool) -> None:
    """Check the origin of the page that asks.

    A foreign origin is always refused. A missing one is refused where it is `needed` and a cookie is the credential,
    because browsers send cookies whoever makes them ask.

    Raises:
        Forbidden: The origin is foreign, or missing.
    """
    origin = headers.get(b"origin")
    if origin is None:
        if needed and means is Means.COOKIE:
            raise Forbidden("The Origin header is missing.", remedy="Use the access token where there is no browser.")
        return
    text = origin.decode("latin-1").lower()
    own = text.partition("://")[2].encode("latin-1") == headers.get(b"host", b"").lower()
    if not own and text not in policy.origins:
        raise Forbidden(
            "Pages of this origin may not do that.", remedy="Add the origin to INVESTLAB_ORIGINS if it is yours."
        )
