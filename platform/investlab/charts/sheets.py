"""Sheets: titled sections of tables and pictures, as a fragment, as a page that reads from disk, on a dashboard."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import holoviews as hv
import panel as pn

from investlab.charts.embed import MOST_BUTTONS, card, chart, choice
from investlab.charts.markup import Html, element
from investlab.charts.pages import page

NOTHING = Html("")


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A figure with the name it is chosen by and a label for those who hear the page."""

    name: str
    label: str
    figure: hv.core.Dimensioned


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A titled part of a sheet: text above, pictures, text below.

    Of several pictures one is shown at a time, chosen by name; `question` says what is chosen.
    """

    title: str
    above: Html = NOTHING
    pictures: tuple[Picture, ...] = ()
    question: str = ""
    below: Html = NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A title as plain text, what stands on top, the sections in order, and what all of it stands on."""

    title: str
    top: Html
    sections: tuple[Section, ...]
    foot: Html

    def fragment(self) -> Html:
        """Return the sheet as one self-contained fragment."""
        content = (self.top, *(_section(each, _charts(each)) for each in self.sections), self.foot)
        return card(*content, figures=[each.figure for each in self.pictures])

    def page(self) -> str:
        """Return the sheet as a complete page that loads nothing from any host."""
        return page(self.title, self.fragment())

    def view(self) -> pn.Column:
        """Return the sheet as a Panel column, its pictures as HoloViews objects with Panel's own choosers."""
        parts: list[object] = [_pane(self.top)]
        for section in self.sections:
            parts += [_pane(_section(replace(section, below=NOTHING), NOTHING)), *_shown(section)]
            parts += [_pane(section.below)] if section.below else []
        return pn.Column(*parts, _pane(self.foot), sizing_mode="stretch_width", max_width=1200)

    @property
    def pictures(self) -> Iterable[Picture]:
        """Return the pictures of all sections, in order."""
        return (picture for section in self.sections for picture in section.pictures)


def _section(section: Section, charts: Html) -> Html:
    title = element("p", section.title, class_="il-heading", role="heading", aria_level="3")
    return element("section", title, section.above, charts, section.below, class_="il-section")


def _charts(section: Section) -> Html:
    if not section.pictures:
        return NOTHING
    if len(section.pictures) == 1:
        return chart(section.pictures[0].label)
    return choice(section.question, {picture.name: picture.label for picture in section.pictures})


def _pane(content: Html) -> pn.pane.HTML:
    return pn.pane.HTML(card(content), sizing_mode="stretch_width")


def _shown(section: Section) -> Sequence[object]:
    if not section.pictures:
        return []
    figures = {picture.name: picture.figure for picture in section.pictures}
    if len(figures) == 1:
        return [pn.pane.HoloViews(next(iter(figures.values())), sizing_mode="stretch_width")]
    widget = pn.widgets.RadioButtonGroup if len(figures) <= MOST_BUTTONS else pn.widgets.Select
    chosen = widget(label=section.question, options=list(figures), width=240)
    drawn = pn.bind(lambda name: pn.pane.HoloViews(figures[name], sizing_mode="stretch_width"), chosen)
    return [chosen, pn.panel(drawn, sizing_mode="stretch_width")]
