/* Draws the figures of the card its script stands in, one in each chart's place. It is a function of (items, version,
   library): the figures as Bokeh's JSON, the BokehJS version they need, and that version's core, all of them as gzip in
   base64; the core is run only when the page lacks it. */
async function draw(script, items, version, library) {
  const card = script.closest(".il-card");
  const places = [...card.querySelectorAll(".il-chart")];
  const notes = [...card.querySelectorAll(".il-needs-scripts")];

  function bokeh() {
    const found = window.Bokeh;
    return found && (found.version === version ? found : found[version]);
  }

  function unpacked(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  async function load() {
    const source = document.createElement("script");
    source.textContent = await unpacked(library);
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
      if (kind === "Text") model.setv({ background_fill_color: { value: colour("--il-ground") }, text_color: { value: ink } });
      if (kind === "Span") model.setv({ line_color: ink });
      if (kind === "Line" && (blue.has(model) || model.line_color.value === "#0072B2")) {
        blue.add(model);
        model.line_color = { value: colour("--il-blue") };
      }
    }
  }

  const documents = [];
  const repaint = () => card.isConnected && paint(documents);

  async function show(place) {
    if (place.dataset.drawn) return;
    place.dataset.drawn = "true";
    const item = JSON.parse(await unpacked(items[places.indexOf(place)]));
    const views = await bokeh().embed.embed_item(item, place);
    documents.push(...[...views].map((view) => view.model.document));
    repaint();
  }

  function choose(choice, chosen) {
    choice.querySelectorAll(".il-option").forEach((option, number) => (option.hidden = number !== chosen));
    for (const button of choice.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(Number(button.dataset.option) === chosen));
    return show(choice.querySelectorAll(".il-chart")[chosen]);
  }

  function listen(choice) {
    for (const button of choice.querySelectorAll("button"))
      button.addEventListener("click", () => choose(choice, Number(button.dataset.option)).catch(failed));
    choice.querySelector("select")?.addEventListener("change", (event) =>
      choose(choice, Number(event.target.value)).catch(failed));
  }

  function failed(error) {
    notes[0].hidden = false;
    notes[0].textContent = `The chart could not be drawn: ${error}`;
    card.prepend(notes[0]);
    console.error(error);
  }

  for (const note of notes) note.hidden = true;
  try {
    window.investlabBokeh ??= {};
    if (!bokeh()) await (window.investlabBokeh[version] ??= load());
    for (const place of places) if (!place.closest("[hidden]")) await show(place);
    card.querySelectorAll(".il-choice").forEach(listen);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    new MutationObserver(repaint).observe(document.body, { attributeFilter: ["data-jp-theme-light", "class"] });
    for (const note of notes) note.remove();
    card.dataset.drawn = "true";
  } catch (error) {
    failed(error);
  }
}
