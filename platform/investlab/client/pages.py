"""What a page weighs on the wire: the page itself and everything it names, as a browser would fetch them."""

from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

from investlab.core.errors import ExecutionFailed

TIMEOUT_SECONDS = 30.0
_ATTRIBUTES = {"script": "src", "link": "href", "img": "src"}
_LOADED_LINKS = frozenset({"stylesheet", "icon", "modulepreload", "preload", "manifest"})


@dataclass(frozen=True, slots=True)
class PageWeight:
    """Bytes of a page as they cross the wire, compressed, and the addresses of other hosts that it names."""

    url: str
    files: int
    wire_bytes: int
    foreign: tuple[str, ...]


def page_weight(url: str) -> PageWeight:
    """Fetch a page, following the redirect that signs in, and all that its HTML names; return what crossed the wire.

    Raises:
        ExecutionFailed: The page or something it names did not come.
    """
    headers = {"Accept-Encoding": "gzip", "Accept": "text/html,*/*"}
    with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True) as browser:
        page = _fetch(browser, url)
        named = _named(page.text, str(page.url))
        own = [address for address in named if urlsplit(address).netloc == urlsplit(str(page.url)).netloc]
        sizes = [page.num_bytes_downloaded, *(_fetch(browser, address).num_bytes_downloaded for address in own)]
    foreign = tuple(address for address in named if address not in own)
    return PageWeight(str(page.url), len(sizes), sum(sizes), foreign)


def _fetch(browser: httpx.Client, url: str) -> httpx.Response:
    try:
        return browser.get(url).raise_for_status()
    except httpx.HTTPError as error:
        raise ExecutionFailed(
            f"{urlsplit(url).path} did not come: {type(error).__name__}.", remedy="See the log of the dashboards."
        ) from error


def _named(text: str, base: str) -> list[str]:
    finder = _Finder()
    finder.feed(text)
    return list(dict.fromkeys(urljoin(base, name) for name in finder.found if not name.startswith(("data:", "blob:"))))


class _Finder(HTMLParser):
    """Collects the addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(_ATTRIBUTES.get(tag, ""))
        is_loaded = tag != "link" or (given.get("rel") or "").lower() in _LOADED_LINKS
        if address and is_loaded:
            self.found.append(address)
