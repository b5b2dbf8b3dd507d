"""HTML that stands alone: an executed notebook, and the page of a pipeline run. Neither reaches any outside host."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from nbconvert import HTMLExporter
from pydantic import JsonValue

from investlab.pipelines.notebooks import read_notebook
from investlab.schemas.pipelines import PipelineRunInfo, StepStatus

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: data:; style-src 'unsafe-inline' data:; "
    "img-src data: blob:; font-src data:; media-src data:; frame-src data: blob:; worker-src blob: data:"
)
_LOADED = re.compile(
    r"<(?:script|link|img|iframe|object|embed|source|audio|video)\b[^>]*?\b(?:src|href|data)\s*=\s*"
    r"[\"']?\s*((?:https?:)?//[^\"'\s>]+)[^>]*>(?:\s*</(?:script|iframe|object)>)?",
    re.IGNORECASE,
)
_IMPORTED = re.compile(
    r"(?:@import\s+(?:url\()?|\burl\(|\bfrom\s+|\bimport\()\s*[\"']?((?:https?:)?//[^\"'\s)]+)", re.IGNORECASE
)
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1f26; --soft: #5d6875; --line: #dde2e8; --paper: #fff; --wash: #f6f8fa }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaef; --soft: #98a3b0; --line: #303842; --paper: #14181d; --wash: #1b2027 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
  margin: 2.5rem auto; padding: 0 1.5rem; font-variant-numeric: tabular-nums }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } p.sub { color: var(--soft); margin: 0 0 1.5rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid var(--line) }
th { font-weight: 600; color: var(--soft); font-size: .85rem } td.number { text-align: right; white-space: nowrap }
code { font: .85em/1.4 ui-monospace, monospace; background: var(--wash); padding: .1em .3em; overflow-wrap: anywhere }
.completed { color: #1a7f4b } .failed, .interrupted { color: #c0392b } .skipped, .pending { color: var(--soft) }
small { color: var(--soft) } a { color: inherit }
"""


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step as the page of a run shows it; links are relative to the page."""

    name: str
    notebook: str
    status: StepStatus
    note: str
    seconds: float | None
    parameters: Mapping[str, JsonValue]
    datasets: Mapping[str, str | None]
    run_ids: Sequence[str]
    html_link: str | None
    notebook_link: str | None


def write_notebook_html(notebook: Path, target: Path, title: str) -> None:
    """Write an executed notebook as one HTML file."""
    exporter = cast("Any", HTMLExporter)(template_name="lab", embed_images=True)
    for address in ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url", "html_manager_semver_range"):
        setattr(exporter, address, "")
    exporter.widget_renderer_url = ""
    body, _ = exporter.from_notebook_node(read_notebook(notebook), resources={"metadata": {"name": title}})
    _write(target, standalone(body))


def standalone(page: str) -> str:
    """Return a page without anything it would load from elsewhere, and a policy that forbids the rest to load any."""
    kept = _LOADED.sub("", page)
    kept = _IMPORTED.sub(lambda found: found.group(0).replace(found.group(1), "about:blank"), kept)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">'
    return re.sub(r"(<head\b[^>]*>)", rf"\1{policy}", kept, count=1)


def outside_addresses(page: str) -> list[str]:
    """List the addresses on other hosts that a page would load from; links to click do not count."""
    return [*_LOADED.findall(page), *_IMPORTED.findall(page)]


def write_run_page(target: Path, run: PipelineRunInfo, title: str, lines: Sequence[StepLine]) -> None:
    """Write the page of a pipeline run: its steps, what they stand on, and links to their notebooks."""
    facts = {
        "Status": f'<span class="{run.status}">{run.status}</span>',
        "Run": f"<code>{html.escape(run.run_id)}</code>",
        "As of": _moment(run.as_of) if run.as_of else "latest",
        "Started": _moment(run.started_at),
        "Ended": _moment(run.ended_at) if run.ended_at else "–",
        "Code": f"<code>{run.code_identity[:12]}</code>",
        "Lock": f"<code>{run.lock_hash[:12]}</code>",
        "Parameters": _pairs(run.parameters),
    }
    if run.error:
        facts["Error"] = html.escape(run.error)
    summary = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in facts.items())
    heading = "".join(f"<th>{n}</th>" for n in ("Step", "Status", "Seconds", "Parameters", "Dataset versions", "Runs"))
    rows = "".join(map(_row, lines))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f'<p class="sub">Pipeline {html.escape(run.pipeline)}</p><table>{summary}</table>'
        f"<table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table></body></html>"
    )
    _write(target, standalone(page))


def _row(line: StepLine) -> str:
    name = html.escape(line.name)
    shown = f'<a href="{html.escape(line.html_link)}">{name}</a>' if line.html_link else name
    source = html.escape(line.notebook)
    file = f'<a href="{html.escape(line.notebook_link)}">{source}</a>' if line.notebook_link else source
    seconds = "–" if line.seconds is None else f"{line.seconds:.1f}"
    note = f"<br><small>{html.escape(line.note)}</small>" if line.note else ""
    states = {name: (state or "none")[:12] for name, state in line.datasets.items()}
    runs = " ".join(f"<code>{html.escape(run_id)}</code>" for run_id in line.run_ids) or "–"
    return (
        f"<tr><td>{shown}<br><small>{file}</small></td>"
        f'<td><span class="{line.status}">{line.status}</span>{note}</td><td class="number">{seconds}</td>'
        f"<td>{_pairs(line.parameters)}</td><td>{_pairs(states)}</td><td>{runs}</td></tr>"
    )


def _pairs(values: Mapping[str, JsonValue]) -> str:
    return "<br>".join(f"{html.escape(n)} <code>{html.escape(str(v))}</code>" for n, v in values.items()) or "–"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _write(target: Path, text: str) -> None:
    building = target.with_name(f".{target.name}.partial")
    building.write_text(text, encoding="utf-8")
    building.replace(target)
