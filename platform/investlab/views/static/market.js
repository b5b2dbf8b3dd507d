/* The market page: its state comes with the page, moves with the stream, and is fetched again after an absence. */

import { badge, Stream, streamAddress } from "./live.js";
import { drawFigures } from "./figures.js";
import { Series } from "./series.js";
import { count, date, money, number, percent, score, signedPercent } from "./numbers.js";

const REFRESH_SECONDS = 10;
const FIRST_REFRESH_SECONDS = 3; /* the stream may have begun a session after the page was made */
const SPARK_POINTS = 30;
const TREND = { up: "▲", down: "▼", flat: "■" };

const config = JSON.parse(document.getElementById("il-config").textContent);
const byId = (id) => document.getElementById(id);
const field = (name) => document.querySelector(`[data-field="${name}"]`);

let state = JSON.parse(byId("il-state").textContent);
let series = new Series(state);
let figures = {};
let fetchedAt = performance.now() / 1000 - REFRESH_SECONDS + FIRST_REFRESH_SECONDS;
let isWanted = false;
let isDirty = true;

function say(name, text, tone) {
  const place = field(name);
  if (!place) return;
  if (place.textContent !== text) place.textContent = text;
  if (tone !== undefined) place.dataset.tone = tone;
}

const toneOf = (value) => (value > 0 ? "up" : value < 0 ? "down" : "flat");

/* ---- the parts of the page ---- */

function showSession() {
  const session = state.replay ? (state.replay.session ?? state.replay.first_session) : state.session;
  if (session) say("session", date(session));
  if (state.replay) {
    say("progress", `Pass ${state.replay.pass_number}, session ${count(state.replay.sessions_done)} of ${count(state.replay.sessions_total)}`);
    byId("il-progress").style.setProperty("--done", state.replay.sessions_done / Math.max(1, state.replay.sessions_total));
  }
}

function showPortfolio() {
  const line = state.portfolio;
  const point = line?.points.at(-1);
  if (!point) return;
  const gained = point.nav / line.initial_cash - 1;
  say("nav", money(point.nav, line.currency));
  say("return", signedPercent(gained), toneOf(gained));
  say("return-benchmark", point.benchmark === null ? "" : `benchmark ${signedPercent(point.benchmark / line.initial_cash - 1)}`);
  say("drawdown", percent(point.drawdown), toneOf(point.drawdown));
  say("drawdown-deepest", `deepest ${percent(Math.min(...line.points.map((each) => each.drawdown)))}`);
  for (const place of document.querySelectorAll("[data-asof='portfolio']")) place.textContent = date(point.session);
}

function showMonitor() {
  const line = state.monitor;
  if (!line) return;
  const latest = line.points.at(-1);
  say("ic", latest ? score(latest.ic) : "–", latest?.ic ? toneOf(latest.ic) : "flat");
  const matured = `mean ${score(line.mean_ic)}, ${count(line.matured_sessions)} matured`;
  say("ic-mean", line.mean_ic === null ? "no prediction matured yet" : matured);
  if (latest) for (const place of document.querySelectorAll("[data-asof='monitor']")) place.textContent = date(latest.session);
}

function rowOf(dataset, instrument) {
  return document.querySelector(`tr[data-line="${CSS.escape(dataset)}/${instrument}"]`);
}

function showLine(line) {
  const row = rowOf(line.dataset, line.instrument_id);
  if (!row) return;
  const [before, last] = line.closes.slice(-2);
  const change = last === undefined ? null : (last / before - 1) * 100;
  put(row, "price", number(line.closes.at(-1), 2));
  const trend = change === null ? "flat" : toneOf(Number(change.toFixed(2)));
  put(row, "change", change === null ? "–" : `${TREND[trend]} ${signedPercent(change / 100, 2)}`, trend);
  put(row, "score", line.score === null ? "–" : score(line.score, 3), line.score === null ? "flat" : "plain");
  put(row, "rank", line.rank === null ? "–" : String(line.rank));
  row.dataset.held = String(Boolean(state.portfolio?.weights[line.symbol]));
  row.querySelector("path")?.setAttribute("d", spark(line.closes.slice(-SPARK_POINTS)));
}

function put(row, cell, text, tone) {
  const place = row.querySelector(`[data-cell="${cell}"]`);
  if (!place) return;
  if (place.textContent !== text) place.textContent = text;
  if (tone) place.dataset.tone = tone;
}

export function spark(closes) {
  if (closes.length < 2) return "";
  const low = Math.min(...closes), span = Math.max(...closes) - low || 1;
  const step = 72 / (SPARK_POINTS - 1), from = 72 - step * (closes.length - 1);
  return closes.map((close, at) => `${at ? "L" : "M"}${(from + at * step).toFixed(1)} ${(18 - (16 * (close - low)) / span).toFixed(1)}`).join("");
}

function showAll() {
  showSession();
  showPortfolio();
  showMonitor();
  for (const line of state.watch) showLine(line);
  isDirty = true;
}

/* ---- what the stream brings ---- */

const TAKERS = {
  replay(payload) {
    const isNewPass = state.replay?.pass_id !== payload.pass_id;
    state.replay = payload;
    series.completed(payload.session);
    showSession();
    isWanted = true;
    if (isNewPass) fetchedAt = -REFRESH_SECONDS;
  },
  "portfolio.paper"(payload) {
    const line = state.portfolio;
    if (!line || payload.pass_id !== state.replay?.pass_id) return void (isWanted = true);
    addPoint(line.points, { session: payload.session, nav: payload.nav, drawdown: payload.drawdown, benchmark: payload.benchmark_nav });
    line.weights = payload.weights;
    showPortfolio();
    isDirty = true;
  },
  "monitor.ic"(payload) {
    const line = state.monitor;
    if (!line || payload.pass_id !== state.replay?.pass_id) return void (isWanted = true);
    addPoint(line.points, { session: payload.session, ic: payload.rolling_ic });
    Object.assign(line, { matured_sessions: payload.matured_sessions, mean_ic: payload.mean_ic });
    showMonitor();
    isDirty = true;
  },
  system(payload) {
    if (String(payload.event ?? "").startsWith("model.")) isWanted = true;
  },
};

function addPoint(points, point) {
  while (points.length && points.at(-1).session >= point.session) points.pop();
  points.push(point);
}

function takeQuote(quote) {
  const line = state.watch.find((each) => each.dataset === quote.dataset && each.instrument_id === quote.instrument_id);
  if (line && quote.session >= line.session) {
    if (quote.session === line.session) line.closes[line.closes.length - 1] = quote.price;
    else {
      if (quote.previous_close !== null && line.closes.at(-1) !== quote.previous_close) line.closes.push(quote.previous_close);
      line.closes.push(quote.price);
      line.closes.splice(0, line.closes.length - SPARK_POINTS);
      line.session = quote.session;
    }
    showLine(line);
  }
  if (series.quote(quote)) isDirty = true;
}

function takePrediction(payload) {
  const ranked = [...(payload.scores ?? [])].sort((a, b) => b.score - a.score);
  const found = new Map(ranked.map((each, at) => [each.instrument_id, { score: each.score, rank: at + 1 }]));
  for (const line of state.watch) {
    if (line.dataset !== payload.dataset || !found.has(line.instrument_id)) continue;
    Object.assign(line, found.get(line.instrument_id));
    showLine(line);
  }
  const link = byId("il-prediction");
  if (link && payload.prediction_id) link.href = `/trace/${encodeURIComponent(payload.prediction_id)}`;
}

function take(message) {
  const { topic, payload } = message;
  if (topic.startsWith("quote.")) takeQuote(payload);
  else if (topic.startsWith("prediction.")) takePrediction(payload);
  else TAKERS[topic]?.(payload);
}

/* ---- fetched again: complete bars, and everything after an absence ---- */

async function refresh() {
  isWanted = false;
  fetchedAt = performance.now() / 1000;
  try {
    const answer = await fetch(config.state, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!answer.ok) return;
    const found = await answer.json();
    if (found.shape !== state.shape) return reloadOnce();
    const replay = state.replay;
    state = found;
    if (replay && found.replay?.pass_id === replay.pass_id && (replay.session ?? "") > (found.replay.session ?? "")) state.replay = replay;
    series = series.renewed(state);
    showAll();
  } catch {
    isWanted = true; /* the dashboards server is away: the stream goes on by itself, and this is tried again */
  }
}

/* The page has other parts now (a champion, a pass): it is made anew, at most twice a minute. */
function reloadOnce() {
  const before = Number(sessionStorage.getItem("il-reloaded") ?? 0);
  if (Date.now() - before < 30_000) return;
  sessionStorage.setItem("il-reloaded", String(Date.now()));
  location.reload();
}

/* ---- charts ---- */

/* Fewer names on the axes of a narrow page. */
function spaceTicks() {
  for (const figure of Object.values(figures)) figure.spaceTicks();
}
addEventListener("resize", spaceTicks);

function drawSeries() {
  if (!isDirty) return;
  isDirty = false;
  series.feedCandles(figures.candles);
  series.feedPortfolio(figures.portfolio, state.portfolio);
  series.feedMonitor(figures.monitor, state.monitor);
  const note = byId("il-running");
  if (note) note.dataset.shown = String(series.isRunning);
}

/* ---- theme, sorting, and the beat of the page ---- */

function useTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  for (const figure of Object.values(figures)) figure.paint();
}

byId("il-theme").addEventListener("click", () => {
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark";
  localStorage.setItem("il-theme", isDark ? "light" : "dark");
  useTheme(isDark ? "light" : "dark");
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => useTheme());

for (const button of document.querySelectorAll("[data-sort]"))
  button.addEventListener("click", () => {
    const key = button.dataset.sort;
    for (const other of document.querySelectorAll("[data-sort]")) other.closest("th").removeAttribute("aria-sort");
    button.closest("th").setAttribute("aria-sort", key === "symbol" || key === "rank" ? "ascending" : "descending");
    for (const body of document.querySelectorAll("#il-watch tbody")) {
      const rows = [...body.querySelectorAll("tr[data-line]")];
      rows.sort((a, b) => compare(sortValue(a, key), sortValue(b, key), key));
      body.append(...rows);
    }
  });

function sortValue(row, key) {
  const text = row.querySelector(`[data-cell="${key}"]`)?.textContent.replace(/[▲▼■,%+\s]/g, "").replace("−", "-") ?? "";
  return key === "symbol" ? text : text === "–" ? -Infinity : Number(text);
}

function compare(a, b, key) {
  if (key === "symbol") return a < b ? -1 : 1;
  if (key === "rank") return (a === -Infinity ? Infinity : a) - (b === -Infinity ? Infinity : b);
  return b - a;
}

const stream = new Stream({
  address: streamAddress(config.gateway, location),
  topics: config.topics,
  onMessage: take,
  onConnect: () => (isWanted = true),
});

function beat() {
  stream.watch();
  const said = badge({ configured: Boolean(stream.address), connected: stream.connected, tried: stream.tried, replay: state.replay, age: stream.age });
  const place = byId("il-badge");
  place.dataset.state = said.state;
  say("badge", said.label);
  say("age", said.detail);
  const isDue = performance.now() / 1000 - fetchedAt > REFRESH_SECONDS;
  if (isWanted && isDue && document.visibilityState === "visible") refresh();
}

showAll();
stream.connect();
beat();
setInterval(beat, 500);
figures = await drawFigures(["candles", "portfolio", "monitor"]);
useTheme();
spaceTicks();
drawSeries();
setInterval(() => requestAnimationFrame(drawSeries), 250);
document.documentElement.dataset.ready = "true";
