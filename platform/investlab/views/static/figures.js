/* Bokeh figures that stand alone in the page: drawn from JSON, fed and coloured here, never through a server. */

export async function drawFigures(names) {
  await until(() => window.Bokeh?.embed);
  const drawn = {};
  for (const name of names) {
    const item = document.getElementById(`il-figure-${name}`);
    const target = document.getElementById(`il-chart-${name}`);
    if (!item || !target) continue;
    const views = await window.Bokeh.embed.embed_item(JSON.parse(item.textContent), target);
    drawn[name] = new Figure(target, [...views].map((view) => view.model.document));
    target.dataset.drawn = "true";
  }
  return drawn;
}

function until(ready) {
  return new Promise((resolve) => {
    const look = () => (ready() ? resolve() : setTimeout(look, 30));
    look();
  });
}

class Figure {
  constructor(target, documents) {
    this.target = target;
    this.models = documents.flatMap((each) => [...each.all_models]);
    this.blue = this.models.filter((model) => model.type === "Line" && model.line_color?.value === "#0072B2");
    this.set = new Map();
  }

  named(name) {
    return this.models.find((model) => model.name === name);
  }

  feed(name, columns) {
    const source = this.named(name);
    if (source) source.setv({ data: { ...columns } }, { sync: false });
  }

  /* Moves a range, unless someone has moved it by hand since. */
  range(figureName, axis, start, end) {
    const range = this.named(figureName)?.[axis];
    if (!range || !Number.isFinite(start) || !Number.isFinite(end)) return;
    const before = this.set.get(`${figureName}.${axis}`);
    if (before && (before[0] !== range.start || before[1] !== range.end)) return;
    range.setv({ start, end, reset_start: start, reset_end: end });
    this.set.set(`${figureName}.${axis}`, [start, end]);
  }

  ticks(figureName, places) {
    const figure = this.named(figureName);
    if (!figure) return;
    for (const axis of this.models.filter((model) => figure.below?.includes(model))) {
      if (axis.ticker?.type !== "FixedTicker") continue;
      axis.setv({ major_label_overrides: new Map(places) });
      axis.ticker.setv({ ticks: places.map(([place]) => place), minor_ticks: [] });
    }
  }

  spaceTicks() {
    const count = Math.min(6, Math.max(3, Math.floor(this.target.clientWidth / 110)));
    const left = this.target.clientWidth < 480 ? 48 : 64;
    for (const model of this.models) {
      if (model.type === "DatetimeTicker") model.setv({ desired_num_ticks: count, num_minor_ticks: 0 });
      if (model.type === "Figure") model.setv({ min_border_left: left });
    }
  }

  paint() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const ink = colour("--muted"), rule = colour("--rule"), strong = colour("--ink");
    for (const model of this.models) {
      const kind = model.type;
      if (kind.endsWith("Axis")) model.setv({ major_label_text_color: ink, axis_label_text_color: ink });
      if (kind === "Grid" && model.grid_line_color) model.setv({ grid_line_color: rule, grid_line_alpha: 1 });
      if (kind === "Legend") model.setv({ label_text_color: strong });
      if (kind === "Title") model.setv({ text_color: ink });
      if (kind === "CategoricalColorMapper") model.setv({ palette: model.factors.map((f) => colour(f === "up" ? "--up" : "--down")) });
    }
    for (const line of this.blue) line.setv({ line_color: { value: colour("--up") } });
  }
}
