"""The pages about problems: self-contained HTML without scripts."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from investlab.schemas.gateway import ProblemKind

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#1c2430;"
    "background:#fff}h1{font-size:1.5rem}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #d8dee6}"
    "code{font:.9em ui-monospace,monospace}a{color:#1f5fa8}"
    "@media(prefers-color-scheme:dark){body{color:#e4e9f0;background:#14181e}td,th{border-color:#333c48}a{color:#8ab8f0}}"
)
CONTENT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "frame-ancestors 'none'"
)


def list_page(kinds: Sequence[ProblemKind]) -> str:
    """Return the page that lists every kind of problem."""
    rows = "".join(
        f'<tr><td>{kind.status}</td><td><a href="/problems/{escape(kind.code)}"><code>{escape(kind.code)}</code></a>'
        f"</td><td>{escape(kind.cause)}</td></tr>"
        for kind in kinds
    )
    table = f"<table><thead><tr><th>status</th><th>code</th><th>meaning</th></tr></thead><tbody>{rows}</tbody></table>"
    return _page("Problems", f"<h1>Problems</h1>{table}")


def kind_page(kind: ProblemKind) -> str:
    """Return the page of one kind of problem: cause and remedy."""
    facts = (("code", kind.code), ("HTTP status", str(kind.status)), ("cause", kind.cause), ("remedy", kind.remedy))
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    body = f'<h1>{escape(kind.title)}</h1><table>{rows}</table><p><a href="/problems">All problems</a></p>'
    return _page(kind.title, body)


def _page(title: str, body: str) -> str:
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)} – investlab</title><style>{STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
