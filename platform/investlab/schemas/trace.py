"""A trace: the chain from a number back to data, code and notebook."""

from html import escape

from investlab.schemas.market import Frozen
from investlab.schemas.tables import STYLE


class TraceLink(Frozen):
    """One thing that a record stands on: its kind, its id, and the facts that matter, in order."""

    kind: str
    record_id: str
    facts: tuple[tuple[str, str], ...] = ()


class Trace(Frozen):
    """The links from a record to what it stands on, each one further back than the one before."""

    subject: str
    links: tuple[TraceLink, ...]

    def lines(self) -> list[str]:
        """Return the trace as lines of text, indented by how far back they are."""
        lines = []
        for depth, link in enumerate(self.links):
            arrow = "└─ " if depth else ""
            lines.append(f"{'   ' * max(depth - 1, 0)}{arrow}{link.kind} {link.record_id}")
            lines += [f"{'   ' * depth}   {name}: {value}" for name, value in link.facts]
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        rows = []
        for depth, link in enumerate(self.links):
            head = f'<td style="padding-left:{depth * 1.2:.1f}em;text-align:left"><b>{escape(link.kind)}</b></td>'
            facts = "<br>".join(f"{escape(name)}: {escape(value)}" for name, value in link.facts)
            mono = f'<td style="text-align:left"><code>{escape(link.record_id)}</code></td>'
            cells = f'{head}{mono}<td style="text-align:left;overflow-wrap:anywhere">{facts}</td>'
            rows.append(f'<tr style="vertical-align:top">{cells}</tr>')
        return f'<table style="{STYLE}">{"".join(rows)}</table>'
