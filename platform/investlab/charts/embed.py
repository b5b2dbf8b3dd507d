"""HoloViews figures as HTML that draws itself: in JupyterLab, in an exported page, and without a network."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import bokeh
import holoviews as hv
from bokeh.embed import json_item
from bokeh.models import CrosshairTool, GridPlot, Span, UIElement
from bokeh.plotting import figure as BokehFigure  # noqa: N812  (a class with a function's name)

from investlab.charts import style
from investlab.charts.markup import Html, element, join

NEEDS_SCRIPTS = "Charts are not shown: this page ran no scripts. Trust the notebook to see them."
DISPLAY_FORMAT = "html+js"
MOST_BUTTONS = 3
"""Of more options than these one is chosen from a list."""


@cache
def stylesheet() -> Html:
    """Return the style every fragment carries with it."""
    return element("style", Html(_static("card.css")))


def card(
    *content: object, figure: hv.core.Dimensioned | None = None, figures: Sequence[hv.core.Dimensioned] = ()
) -> Html:
    """Return content as one self-contained fragment; figures are drawn where the content has its charts, in order.

    A fragment holds its style, its figures and the core of BokehJS, which runs only on a page that has not this version
    of it yet. Charts of a `choice` that are hidden are drawn when they are chosen.
    """
    drawn = [*figures] if figure is None else [figure, *figures]
    return element("div", stylesheet(), *content, _drawing(drawn) if drawn else "", class_="il-card")


def chart(label: str) -> Html:
    """Return the place of a card's figure; `label` names it to those who hear the page.

    A line says how to see the chart until it is drawn.
    """
    return join((_place(label), element("p", NEEDS_SCRIPTS, class_="il-needs-scripts")))


def choice(question: str, options: Mapping[str, str]) -> Html:
    """Return the places of several figures of which one is shown, with what chooses it: options name their labels.

    Two or three options are buttons, more of them a list.
    """
    if len(options) == 1:
        return chart(next(iter(options.values())))
    places = [
        element("div", _place(label), class_="il-option", **({"hidden": ""} if number else {}))
        for number, label in enumerate(options.values())
    ]
    asked = element("span", question, class_="il-question")
    by = _buttons(options) if len(options) <= MOST_BUTTONS else _list(question, options)
    note = element("p", NEEDS_SCRIPTS, class_="il-needs-scripts")
    return element("div", element("p", asked, by, class_="il-asking"), *places, note, class_="il-choice")


def _place(label: str) -> Html:
    return element("div", class_="il-chart", role="img", aria_label=label)


def _buttons(options: Iterable[str]) -> Html:
    pressed = ("true", "false")
    return join(
        element("button", name, type="button", aria_pressed=pressed[min(number, 1)], data_option=str(number))
        for number, name in enumerate(options)
    )


def _list(question: str, options: Iterable[str]) -> Html:
    entries = [element("option", name, value=str(number)) for number, name in enumerate(options)]
    return element("select", *entries, aria_label=question)


def figure_json(figure: hv.core.Dimensioned) -> str:
    """Return a figure as the JSON that `Bokeh.embed.embed_item` draws; equal figures give equal text."""
    return json.dumps(_renumbered(json_item(bokeh_model(figure))), separators=(",", ":")).replace("<", "\\u003c")


def _drawing(figures: Iterable[hv.core.Dimensioned]) -> Html:
    items = json.dumps([_packed(figure_json(figure).encode()) for figure in figures])
    call = f'draw(document.currentScript, {items}, "{bokeh.__version__}", "{_library()}");'
    return element("script", Html(f"(() => {{\n{_static('embed.js')}\n{call}\n}})();"))


def _packed(content: bytes) -> str:
    return b64encode(gzip.compress(content, mtime=0)).decode()


def bokeh_model(figure: hv.core.Dimensioned) -> UIElement:
    """Return a figure as a new Bokeh model, charts above each other linked by one crosshair."""
    model: UIElement = hv.render(figure, backend="bokeh")
    if isinstance(model, GridPlot):
        model.toolbar_location = "right"
        model.toolbar.logo = None
        model.toolbar.autohide = True
        model.spacing = 4
    figures = list(model.select({"type": BokehFigure}))
    if len(figures) > 1:
        line = Span(dimension="height", line_color=style.INK, line_width=1, line_alpha=0.6)
        for each in figures:
            each.add_tools(CrosshairTool(overlay=line))
    return model


def show_in_jupyter(figure: hv.core.Dimensioned) -> hv.core.Dimensioned:
    """Return the figure, and let Jupyter display HoloViews objects when `hv.extension` was not called."""
    if not hv.Store._display_hooks.get(DISPLAY_FORMAT):  # noqa: SLF001  (there is no public way to ask)
        hv.Store.set_display_hook(DISPLAY_FORMAT, hv.core.data.LabelledData, _display)
    return figure


def _display(figure: Any) -> tuple[dict[str, str], dict[str, Any]]:
    return {"text/html": card(chart("Chart"), figure=figure)}, {}


def _static(name: str) -> str:
    return files("investlab.charts").joinpath("static", name).read_text(encoding="utf-8")


@cache
def _library() -> str:
    source = files("bokeh").joinpath("server", "static", "js", "bokeh.min.js").read_bytes()
    return _packed(source)


def _renumbered(item: Any) -> Any:
    """Return a figure's JSON with its models numbered from 1, so that equal figures give equal text."""
    numbers: dict[str, str] = {}

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: walk(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part) for part in value]
        if key in ("id", "root_id") and isinstance(value, str):
            return numbers.setdefault(value, f"m{len(numbers) + 1}")
        return value

    return walk(item)
