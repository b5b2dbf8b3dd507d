"""Names for the parts of a figure that a page feeds while it is open."""

from typing import Any

from bokeh.models import CategoricalColorMapper, GlyphRenderer
from bokeh.plotting import figure as BokehFigure  # noqa: N812  (a class with a function's name)


def named(name: str) -> Any:
    """Return a HoloViews hook that names a figure, and its data sources `name-0`, `name-1`, … as they are drawn."""

    def hook(plot: Any, _element: Any) -> None:
        figure = plot.state
        if not isinstance(figure, BokehFigure):
            return
        figure.name = name
        drawn = [renderer for renderer in figure.renderers if isinstance(renderer, GlyphRenderer)]
        for number, renderer in enumerate(drawn):
            renderer.data_source.name = f"{name}-{number}"
        for mapper in figure.select({"type": CategoricalColorMapper}):
            mapper.name = "direction"

    return hook
