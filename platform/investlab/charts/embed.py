"""HoloViews figures as HTML that draws itself: in JupyterLab, in an exported page, and without a network."""

import gzip
import json
from base64 import b64encode
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


@cache
def stylesheet() -> Html:
    """Return the style every fragment carries with it."""
    return element("style", Html(_static("card.css")))


def card(*content: object, figure: hv.core.Dimensioned | None = None) -> Html:
    """Return content as one self-contained fragment; `figure` is drawn where the content has its `chart`.

    A fragment holds its style, its figure and the core of BokehJS, which runs only on a page that has not this version
    of it yet.
    """
    script = "" if figure is None else _drawing(figure)
    return element("div", stylesheet(), *content, script, class_="il-card")


def chart(label: str) -> Html:
    """Return the place of a card's figure; `label` names it to those who hear the page.

    A line says how to see the chart until it is drawn.
    """
    return join(
        (
            element("div", class_="il-chart", role="img", aria_label=label),
            element("p", NEEDS_SCRIPTS, class_="il-needs-scripts"),
        )
    )


def figure_json(figure: hv.core.Dimensioned) -> str:
    """Return a figure as the JSON that `Bokeh.embed.embed_item` draws; equal figures give equal text."""
    return json.dumps(_renumbered(json_item(bokeh_model(figure))), separators=(",", ":")).replace("<", "\\u003c")


def _drawing(figure: hv.core.Dimensioned) -> Html:
    item = figure_json(figure)
    call = f'draw(document.currentScript, {item}, "{bokeh.__version__}", "{_library()}");'
    return element("script", Html(f"(() => {{\n{_static('embed.js')}\n{call}\n}})();"))


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
    return b64encode(gzip.compress(source, mtime=0)).decode()


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
