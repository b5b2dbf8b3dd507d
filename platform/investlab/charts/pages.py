"""Reports as complete pages that read from disk without a network."""

from investlab.charts.embed import card
from investlab.charts.facts import Rows, facts, heading
from investlab.charts.markup import Html, element, join

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""What a report may load: nothing from outside."""

PAGE_STYLE = Html(
    "body{margin:0;padding:24px 16px;background:#f4f5f7}main{max-width:1200px;margin:0 auto}"
    "@media(prefers-color-scheme:dark){body{background:#0d0e10}}"
    "@media print{body{padding:0;background:none}}"
)


def page(title: str, *content: Html) -> str:
    """Return a complete page of cards; it can load nothing from any host, whatever its content says."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", title),
        element("style", PAGE_STYLE),
    )
    return "<!doctype html>\n" + element("html", head, element("body", element("main", join(content))), lang="en")


def document(title: str, lineage: Rows, *content: object) -> str:
    """Return a report page: a title, what its numbers stand on, and content, which is escaped unless it is `Html`."""
    return page(title, card(element("header", heading(title)), facts(lineage), *content))
