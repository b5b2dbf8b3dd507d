"""What the edge lets in: credentials, origins, host names and limits."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from investlab.core.config import Settings
from investlab.core.credentials import Credentials
from investlab.core.errors import InvalidSettings

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/problems"})
"""The addresses anyone may read. `/healthz` is BentoML's second name of `/livez`; its probes carry no credential."""

OPEN_PREFIX = "/problems/"
READING = frozenset({"GET", "HEAD"})
DEADLINE_SECONDS = 30.0
MIB = 2**20


@dataclass(frozen=True, slots=True)
class EdgePolicy:
    """Who may come in from where, how much they may send, and how long an answer may take.

    `origins` are those whose pages may change things and open the stream, beside the server's own; `hosts` the names
    it is addressed by, with any port.
    """

    credentials: Credentials
    origins: frozenset[str] = frozenset()
    hosts: frozenset[str] = LOOPBACK_NAMES
    max_body_bytes: int = 2 * MIB
    deadline_seconds: float = DEADLINE_SECONDS

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Build the policy of a home from its settings.

        Raises:
            InvalidSettings: No access token is set.
        """
        if settings.token is None:
            raise InvalidSettings("There is no access token.", remedy="Set INVESTLAB_TOKEN.")
        origins = settings.stated_origins
        own = [settings.gateway_url] if settings.gateway_url else []
        names = {_host_of(address) for address in (*origins, *own)}
        return cls(
            credentials=Credentials.of(settings.token.get_secret_value(), settings.home_path),
            origins=origins,
            hosts=LOOPBACK_NAMES | {name for name in names if name} | {_bracketed(settings.host)},
            max_body_bytes=settings.max_body_mib * MIB,
        )

    def is_open(self, method: str, path: str) -> bool:
        """Say whether anyone may ask this."""
        return method in READING and (path in OPEN_PATHS or path.startswith(OPEN_PREFIX))


def _host_of(address: str) -> str:
    return _bracketed(urlsplit(address).hostname or "")


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name.lower()
