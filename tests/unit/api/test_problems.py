"""The problem pages: one for each kind of error, self-contained, with cause and remedy."""

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from investlab.api.problem_pages import kind_page, list_page
from investlab.api.problems import GENERAL_REMEDY, REMEDIES, problem_kinds
from investlab.api.routes.problems import add_problems
from investlab.schemas.gateway import ProblemKind
from tests.support.asgi import Answer, edged, request

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def app() -> Any:
    bare = FastAPI(docs_url=None, redoc_url=None)
    add_problems(bare)
    return edged(bare)


def ours() -> list[ProblemKind]:
    """Return the kinds of the package; tests and extensions may define others."""
    return [kind for kind in problem_kinds() if kind.code in REMEDIES]


def test_every_kind_of_the_package_has_a_remedy_of_its_own() -> None:
    from investlab.core import errors

    codes = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
    assert codes == set(REMEDIES)
    assert GENERAL_REMEDY not in REMEDIES.values()


@pytest.mark.parametrize("kind", ours(), ids=lambda kind: str(kind.code))
def test_every_kind_has_a_page_with_cause_and_remedy(app: Any, kind: ProblemKind) -> None:
    page = request(app, path=f"/problems/{kind.code}", headers=BROWSER)
    shown = _Seen.of(page)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert kind.cause.replace("  ", " ") in shown.text
    assert kind.remedy in shown.text


def test_programs_get_json(app: Any) -> None:
    one = ProblemKind.model_validate_json(request(app, path="/problems/busy", headers={}).body)
    assert (one.code, one.status) == ("busy", 503)
    listed = TypeAdapter(list[ProblemKind]).validate_json(request(app, path="/problems", headers={}).body)
    assert {kind.code for kind in ours()} <= {kind.code for kind in listed}


def test_the_list_links_every_page(app: Any) -> None:
    shown = _Seen.of(request(app, path="/problems", headers=BROWSER))
    assert {f"/problems/{kind.code}" for kind in ours()} <= set(shown.links)


def test_pages_load_nothing_and_allow_nothing_but_their_own_style(app: Any) -> None:
    for path in ("/problems", "/problems/conflict"):
        page = request(app, path=path, headers=BROWSER)
        shown = _Seen.of(page)
        style = b64encode(sha256(shown.style.encode()).digest()).decode()
        assert page.headers["content-security-policy"] == (
            f"default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'"
        )
        assert shown.tags.isdisjoint({"script", "img", "link", "iframe", "form"})
        assert all(link.startswith("/problems") for link in shown.links)


def test_an_unknown_kind_is_a_problem_itself(app: Any) -> None:
    problem = request(app, path="/problems/not_fond", headers=BROWSER).problem
    assert (problem.status, problem.details) == (404, {"near": ["not_found", "not_reproducible"]})


def test_text_is_never_markup() -> None:
    hostile = ProblemKind(code="x", title="<b>t", status=400, cause="<script>c", remedy='"><img src=x>')
    for page in (kind_page(hostile), list_page([hostile])):
        assert not any(text in page for text in ("<b>t", "<script>", "<img"))


class _Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.style, self._inside = "", "", ""
        self.links: list[str] = []
        self.tags: set[str] = set()

    @classmethod
    def of(cls, page: Answer) -> "_Seen":
        seen = cls()
        seen.feed(page.body.decode())
        return seen

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._inside = tag
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
