"""Charts of quality findings: how many bars over time, and which instruments when."""

import math
from dataclasses import dataclass

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import pandas as pd

from investlab.charts import style
from investlab.schemas.quality import YEAR_DIGITS, QualityReport, Severity

COLOURS = {Severity.REJECT: style.VERMILION, Severity.QUARANTINE: style.BLUE, Severity.WARN: style.GREY}
MARKERS = {Severity.REJECT: "square_x", Severity.QUARANTINE: "diamond", Severity.WARN: "circle"}
NAMES = {Severity.REJECT: "Rejects", Severity.QUARANTINE: "Quarantined", Severity.WARN: "Warning"}
OVER_TIME_HEIGHT = 180
ROW_HEIGHT = 22
ROWS_SHOWN = 20
GRAVITY = {Severity.REJECT: 1e12, Severity.QUARANTINE: 1e6, Severity.WARN: 1.0}
SPREAD = 0.22
MARGIN = 0.015
GAP = 0.06
MARK_SIZE = 7.0
NOTHING = "Nothing was found"
UNDATED = "It is not known when the findings were"


@dataclass(frozen=True, slots=True)
class Period:
    """A month or a year on the time axis."""

    start: pd.Timestamp
    end: pd.Timestamp

    @staticmethod
    def of(text: str) -> "Period":
        """Return the period that text such as `2020` or `2020-05` names."""
        start = pd.Timestamp(f"{text}-01-01" if len(text) == YEAR_DIGITS else f"{text}-01")
        length = pd.DateOffset(years=1) if len(text) == YEAR_DIGITS else pd.DateOffset(months=1)
        return Period(start, start + length)

    @property
    def middle(self) -> pd.Timestamp:
        """Return the moment in its middle."""
        return self.start + (self.end - self.start) / 2


def is_dated(report: QualityReport) -> bool:
    """Say whether it is known when anything was found; reports of earlier versions do not tell."""
    return any(finding.by_period for finding in report.findings)


def findings_chart(report: QualityReport) -> hv.Layout | hv.Overlay:
    """Return the bars with findings over time, above the instruments hit most with a mark for each period.

    Severities differ by colour and mark. Without a finding that has a date it is an empty chart that says so.
    """
    tables = _over_time(report), _by_instrument(report)
    if not is_dated(report):
        title = UNDATED if report.findings else NOTHING
        return hv.Overlay([_marks(tables[1], Severity.WARN)]).opts(
            **style.frame_options(OVER_TIME_HEIGHT, title, xaxis=None, yaxis=None, show_legend=False)
        )
    charts = (over_time_chart(tables[0]).opts(xaxis="bare"), by_instrument_chart(tables[1]))
    return hv.Layout([chart.opts(xlim=_span(report)) for chart in charts]).cols(1)


def over_time_chart(table: pd.DataFrame) -> hv.Overlay:
    """Return the bars with findings of each period as columns stacked by severity."""
    layers = [
        hv.Rectangles(part, ["start", "bottom", "end", "top"], ["period", "checks"]).opts(
            color=COLOURS[severity],
            line_alpha=0.0,
            fill_alpha=0.85,
            tools=["hover"],
            hover_tooltips=style.tooltip(("Period", "@period"), (NAMES[severity], "@checks")),
        )
        for severity, part in _by_severity(table)
    ]
    return hv.Overlay(layers).opts(
        **style.frame_options(
            OVER_TIME_HEIGHT,
            "Bars and sessions with a finding",
            yformatter=style.numeral("0,0"),
            xformatter=style.dates(),
            yticks=4,
            show_legend=False,
            show_grid=True,
            padding=(0.0, (0.0, 0.08)),
        )
    )


def by_instrument_chart(table: pd.DataFrame) -> hv.Overlay:
    """Return a mark for each instrument, period and severity, larger for more bars."""
    symbols = list(dict.fromkeys(table["symbol"]))
    layers = [_marks(part, severity) for severity, part in _by_severity(table)]
    return hv.Overlay(layers).opts(
        **style.frame_options(
            ROW_HEIGHT * len(symbols) + 90,
            "Instruments with most of them",
            xformatter=style.dates(),
            yticks=[(-place, symbol) for place, symbol in enumerate(symbols)],
            ylim=(-len(symbols) + 0.4, 0.6),
            legend_position="top",
            legend_cols=len(layers),
            show_legend=True,
            show_grid=True,
            padding=0.0,
        )
    )


def _span(report: QualityReport) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the time from the first to the last period of the report, with a margin."""
    texts = sorted({period for finding in report.findings for period in finding.by_period})
    digits = len(texts[0])
    if report.first_session is not None and report.last_session is not None:
        texts = [str(report.first_session)[:digits], str(report.last_session)[:digits]]
    start, end = Period.of(texts[0]).start, Period.of(texts[-1]).end
    margin = (end - start) * MARGIN
    return start - margin, end + margin


def _marks(table: pd.DataFrame, severity: Severity) -> hv.Points:
    said = style.tooltip(("Instrument", "@symbol"), ("Period", "@period"), (NAMES[severity], "@checks"))
    return hv.Points(table, ["middle", "place"], ["size", "symbol", "period", "checks"], label=NAMES[severity]).opts(
        color=COLOURS[severity],
        marker=MARKERS[severity],
        size="size",
        fill_alpha=0.7,
        line_color=COLOURS[severity],
        tools=["hover"],
        hover_tooltips=said,
    )


def _by_severity(table: pd.DataFrame) -> list[tuple[Severity, pd.DataFrame]]:
    """Return the parts of a table, those drawn first coming first."""
    parts = [(severity, table[table["severity"] == severity]) for severity in reversed(Severity)]
    return [(severity, part) for severity, part in parts if len(part)]


def _over_time(report: QualityReport) -> pd.DataFrame:
    """Return how many bars of each severity each period has, with the heights between which its column lies."""
    rows = [
        (period, finding.severity, finding.check, count)
        for finding in report.findings
        for period, count in finding.by_period.items()
    ]
    table = _joined(pd.DataFrame(rows, columns=["period", "severity", "check", "count"]), ["period", "severity"])
    if table.empty:
        return table
    periods = [Period.of(text) for text in table["period"]]
    order = table["severity"].map({severity: place for place, severity in enumerate(reversed(Severity))})
    ends = [period.end - (period.end - period.start) * GAP for period in periods]
    stacked = table.assign(start=[period.start for period in periods], end=ends, order=order)
    stacked = stacked.sort_values(["period", "order"], ignore_index=True)
    top = stacked.groupby("period")["count"].cumsum()
    return stacked.assign(top=top, bottom=top - stacked["count"])


def _by_instrument(report: QualityReport) -> pd.DataFrame:
    """Return the marks of the instruments hit most, those of the gravest findings first."""
    rows = [
        (tally.symbol, tally.period, finding.severity, finding.check, tally.count)
        for finding in report.findings
        for tally in finding.tallies
    ]
    keys = ["symbol", "period", "severity"]
    table = _joined(pd.DataFrame(rows, columns=[*keys, "check", "count"]), keys)
    gravity = table["severity"].map(GRAVITY)
    weight = (gravity.astype(float) * table["count"].astype(float)).groupby(table["symbol"]).sum()
    symbols = list(weight.sort_values(ascending=False, kind="stable").index[:ROWS_SHOWN])
    table = table[table["symbol"].isin(symbols)]
    place = table["symbol"].map({symbol: -number for number, symbol in enumerate(symbols)}).astype(float)
    spread = SPREAD if table["severity"].nunique() > 1 else 0.0
    shift = table["severity"].map({Severity.REJECT: spread, Severity.QUARANTINE: 0.0, Severity.WARN: -spread})
    return table.assign(
        middle=pd.Series(
            [Period.of(text).middle for text in table["period"]], index=table.index, dtype="datetime64[us]"
        ),
        place=place + shift.astype(float),
        size=[MARK_SIZE + 2.5 * math.log10(count) for count in table["count"]],
        order=-place,
    ).sort_values(["order", "period"], ignore_index=True)


def _joined(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return rows with equal keys as one: their counts summed, their checks named."""
    said = [f"{check.replace('_', ' ')} {count:,}" for check, count in zip(table["check"], table["count"], strict=True)]
    grouped = table.assign(checks=said).groupby(keys, sort=True, observed=True, as_index=False)
    return grouped.agg(count=("count", "sum"), checks=("checks", "; ".join))
