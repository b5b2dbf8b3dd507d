"""The page's own scripts and styles: read once, packed once, named by their content."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import bokeh

from investlab.core.errors import NotFound

PREFIX = "/assets/"
SCRIPTS = ("market.js", "series.js", "figures.js", "live.js", "numbers.js")
"""The modules of the market page, the first one importing the others."""
STYLES = ("market.css",)
BOKEH = "bokeh.min.js"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


ICON = "data:image/svg+xml," + quote(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0072b2"/>'
    '<path d="M8 8v16M16 5v22M24 10v14" stroke="#fff" stroke-width="1.6" opacity=".75"/><g fill="#fff">'
    '<rect x="6" y="13" width="4" height="8" rx="1"/><rect x="14" y="8" width="4" height="11" rx="1"/>'
    '<rect x="22" y="13" width="4" height="7" rx="1"/></g></svg>'
)
"""Three candles, in the page itself: a file less to ask for."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent: its type, a tag of its content, and its bytes, plain and packed."""

    content_type: str
    tag: str
    plain: bytes
    packed: bytes


def version() -> str:
    """Return a tag of all assets together; addresses carry it, so that a new release is never mixed with an old one."""
    return hashlib.sha256("".join(asset(name).tag for name in (*SCRIPTS, *STYLES, BOKEH)).encode()).hexdigest()[:12]


@cache
def asset(name: str) -> Asset:
    """Return an asset by name.

    Raises:
        NotFound: There is none of that name.
    """
    if name == BOKEH:
        content = _bokeh().read_bytes()
    elif name in (*SCRIPTS, *STYLES):
        content = files("investlab.views").joinpath("static", name).read_bytes()
    else:
        raise NotFound(f"There is no asset {name!r}.")
    kind = _TYPES[Path(name).suffix]
    return Asset(kind, hashlib.sha256(content).hexdigest()[:20], content, gzip.compress(content, 9, mtime=0))


def address(name: str) -> str:
    """Return where pages find an asset; modules that import each other stay under one version."""
    return f"{PREFIX}{version()}/{name}"


def _bokeh() -> Path:
    return Path(bokeh.__file__).parent / "server" / "static" / "js" / BOKEH
