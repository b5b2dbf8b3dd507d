"""The pages about problems, for people and programs."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from investlab.api.declarations import OPEN, Code, errors
from investlab.api.problem_pages import CONTENT_POLICY, kind_page, list_page
from investlab.api.problems import problem_kinds
from investlab.core.errors import InvalidInput, NotFound
from investlab.schemas.gateway import ProblemKind


def add_problems(app: FastAPI) -> None:
    """Add the routes of the problem pages."""

    @app.get("/problems", response_model=tuple[ProblemKind, ...], responses=errors(*OPEN), tags=["problems"])
    def list_problems(request: Request) -> Response | tuple[ProblemKind, ...]:
        """List every kind of problem; browsers get a page."""
        kinds = problem_kinds()
        return _page(list_page(kinds)) if _wants_page(request) else tuple(kinds)

    @app.get(
        "/problems/{code}",
        response_model=ProblemKind,
        responses=errors(*OPEN, NotFound, InvalidInput),
        tags=["problems"],
    )
    def show_problem(request: Request, code: Code) -> Response | ProblemKind:
        """Say what a kind of problem means and what to do about it; browsers get a page."""
        kinds = {kind.code: kind for kind in problem_kinds()}
        if code not in kinds:
            raise NotFound.named("kind of problem", code, kinds)
        return _page(kind_page(kinds[code])) if _wants_page(request) else kinds[code]


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "").lower()


def _page(text: str) -> HTMLResponse:
    return HTMLResponse(text, headers={"Content-Security-Policy": CONTENT_POLICY})
