"""What a page may load and whom it may speak to, as headers that every answer carries."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from investlab.core.config import Settings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_PORTS = {"http": 80, "https": 443}


def allowed_hosts(settings: Settings, port: int) -> frozenset[str]:
    """Return the values of a Host header that are answered: this machine's names, and those of the stated origins."""
    names = {*LOOPBACK, settings.host.lower()}
    stated = {urlsplit(origin.strip()).netloc.lower() for origin in settings.origins.split(",") if origin.strip()}
    return frozenset({f"{name}:{port}" for name in names} | stated)


def stream_sources(gateway_url: str | None) -> list[str]:
    """Return where the stream may be reached; a gateway on this machine goes by the page's own name for it."""
    if gateway_url is None:
        return []
    found = urlsplit(gateway_url)
    port = found.port or _PORTS.get(found.scheme, 80)
    host = found.hostname or ""
    bracketed = f"[{host}]" if ":" in host else host
    names = LOOPBACK[:2] if bracketed in LOOPBACK else (bracketed,)
    scheme = "wss" if found.scheme == "https" else "ws"
    return [f"{way}://{name}:{port}" for name in names for way in (scheme, found.scheme)]


def security_headers(connect_to: Iterable[str]) -> dict[str, str]:
    """Return the headers; scripts and styles come from this server alone, connections go to it and the stream."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self' 'unsafe-inline' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": " ".join(("'self'", "blob:", "data:", *connect_to)),
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
        "object-src": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "SAMEORIGIN",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
