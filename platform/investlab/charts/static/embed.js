/* Draws one figure where its script stands. It is a function of (item, version, library): the figure as Bokeh's JSON,
   the BokehJS version it needs, and that version's core as gzip in base64, run only when the page lacks it. */
async function draw(script, item, version, library) {
  const card = script.closest(".il-card");
  const target = card.querySelector(".il-chart");
  const note = card.querySelector(".il-needs-scripts");

  function bokeh() {
    const found = window.Bokeh;
    return found && (found.version === version ? found : found[version]);
  }

  async function load() {
    const bytes = Uint8Array.from(atob(library), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const source = document.createElement("script");
    source.textContent = await new Response(stream).text();
    document.head.append(source);
    source.remove();
  }

  const colour = (name) => getComputedStyle(card).getPropertyValue(name).trim();

  const blue = new Set();
  function paint(documents) {
    const ink = colour("--il-muted"), rule = colour("--il-rule"), strong = colour("--il-ink");
    for (const model of documents.flatMap((drawn) => [...drawn.all_models])) {
      const kind = model.type;
      if (kind.endsWith("Axis")) model.setv({ major_label_text_color: ink, axis_label_text_color: ink });
      if (kind === "Grid" && model.grid_line_color) model.setv({ grid_line_color: rule, grid_line_alpha: 1 });
      if (kind === "Legend") model.setv({ label_text_color: strong });
      if (kind === "Title") model.setv({ text_color: ink });
      if (kind === "ColorBar") model.setv({ major_label_text_color: ink });
      if (kind === "Span") model.setv({ line_color: ink });
      if (kind === "Line" && (blue.has(model) || model.line_color.value === "#0072B2")) {
        blue.add(model);
        model.line_color = { value: colour("--il-blue") };
      }
    }
  }

  note.hidden = true;
  try {
    window.investlabBokeh ??= {};
    if (!bokeh()) await (window.investlabBokeh[version] ??= load());
    const views = await bokeh().embed.embed_item(item, target);
    const documents = [...views].map((view) => view.model.document);
    const repaint = () => card.isConnected && paint(documents);
    repaint();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    new MutationObserver(repaint).observe(document.body, { attributeFilter: ["data-jp-theme-light", "class"] });
    note.remove();
    card.dataset.drawn = "true";
  } catch (error) {
    note.hidden = false;
    note.textContent = `The chart could not be drawn: ${error}`;
    console.error(error);
  }
}
