"""HTML built from text that is always escaped: only `Html` passes as markup."""

from collections.abc import Iterable, Sequence
from html import escape

VOID_TAGS = frozenset({"br", "hr", "meta"})


class Html(str):
    """Text that is markup already; everything else is escaped on its way in."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return a value as markup: `Html` as it is, anything else escaped."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def join(parts: Iterable[object], separator: str = "") -> Html:
    """Return parts one after the other, each escaped unless it is `Html`."""
    return Html(text(separator).join(text(part) for part in parts))


def element(tag: str, *children: object, **attributes: str) -> Html:
    """Return one element. Attribute names write `_` for `-` and may end in `_` (`class_`); values are escaped."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value, quote=True)}"' for name, value in attributes.items()
    )
    if tag in VOID_TAGS:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{join(children)}</{tag}>")


def definitions(rows: Iterable[tuple[str, object]], class_: str) -> Html:
    """Return terms with their values as a definition list, leaving out rows whose value is empty."""
    return element(
        "dl",
        *(element("div", element("dt", term), element("dd", value)) for term, value in rows if value not in ("", None)),
        class_=class_,
    )


def table(header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> Html:
    """Return a table whose first column heads its rows."""
    head = element("thead", element("tr", *(element("th", name, scope="col") for name in header)))
    body = element(
        "tbody",
        *(
            element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in rest))
            for first, *rest in rows
        ),
    )
    title = element("caption", caption) if caption else Html("")
    return element("div", element("table", title, head, body), class_="il-scroll")
