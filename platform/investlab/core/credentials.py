"""The access token and the cookie that stands for it in browsers."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

TOKEN_BYTES = 32


def new_token() -> str:
    """Return a fresh access token of 256 random bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller must show: the token itself (apps) or the cookie made from it (browsers).

    The cookie is named per home, so that two platforms on one host do not sign each other out.
    """

    token: str = field(repr=False)
    cookie_name: str

    @classmethod
    def of(cls, token: str, home: Path) -> "Credentials":
        """Build the credentials of a home."""
        return cls(token, f"investlab-{hashlib.sha256(str(home).encode()).hexdigest()[:10]}")

    @property
    def cookie_value(self) -> str:
        """Return what the cookie holds: a keyed hash, from which the token cannot be found."""
        return hmac.new(self.token.encode(), f"cookie:{self.cookie_name}".encode(), hashlib.sha256).hexdigest()

    def set_cookie(self, *, secure: bool = False) -> str:
        """Return the value of a Set-Cookie header that signs a browser in."""
        secured = "; Secure" if secure else ""
        return f"{self.cookie_name}={self.cookie_value}; Path=/; HttpOnly; SameSite=Strict{secured}"

    def redacted(self, text: str) -> str:
        """Return text without the token, where someone put it into an address."""
        return text.replace(self.token, "…")

    def accepts_token(self, given: str) -> bool:
        """Say whether this is the token, in constant time."""
        return hmac.compare_digest(given.encode(), self.token.encode())

    def accepts_bearer(self, header: str | None) -> bool:
        """Say whether an Authorization header carries the token."""
        scheme, _, given = (header or "").partition(" ")
        return scheme.lower() == "bearer" and self.accepts_token(given.strip())

    def accepts_cookie(self, header: str | None) -> bool:
        """Say whether a Cookie header carries the cookie, whatever other applications of this host left beside it."""
        expected = self.cookie_value.encode()
        pairs = (pair.strip().partition("=") for pair in (header or "").split(";"))
        return any(
            name == self.cookie_name and hmac.compare_digest(given.encode(), expected) for name, _, given in pairs
        )
