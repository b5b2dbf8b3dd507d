/* The series behind the charts: complete bars from the server, running ones from quotes. */

const HALF_BODY = 0.34;
const LABEL_PIXELS = 58;
const MARGIN_PIXELS = 80;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const ms = (session) => Date.parse(`${session}T00:00:00Z`);

/* Every bar keeps its place on the axis for as long as the page shows one pass: the window moves, not the bars. */
export class Series {
  constructor(state) {
    this.candles = state.candles;
    this.shown = state.candles?.bars.length ?? 0;
    this.session = state.replay?.session ?? state.session;
    this.passId = state.replay?.pass_id;
    this.complete = [...(state.candles?.bars ?? [])];
    this.running = new Map();
    this.ticked = "";
  }

  /* Takes a state fetched again; returns the series that goes on from here. */
  renewed(state) {
    if (state.replay?.pass_id !== this.passId || !this.complete.length) return new Series(state);
    const last = this.complete.at(-1)[0];
    for (const bar of state.candles?.bars ?? []) if (bar[0] > last) this.complete.push(bar);
    for (const session of this.running.keys()) if (session <= this.complete.at(-1)[0]) this.running.delete(session);
    return this;
  }

  completed(session) {
    this.session = session;
  }

  /* Whether the last candle's session is not over. */
  get isRunning() {
    const last = [...this.running.keys()].at(-1);
    return last !== undefined && (!this.session || last > this.session);
  }

  quote({ dataset, instrument_id, session, price }) {
    const candles = this.candles;
    if (!candles || dataset !== candles.dataset || instrument_id !== candles.instrument_id) return false;
    if (session <= (this.complete.at(-1)?.[0] ?? "")) return false;
    const bar = this.running.get(session);
    if (!bar) this.running.set(session, [session, price, price, price, price, null]);
    else {
      bar[2] = Math.max(bar[2], price);
      bar[3] = Math.min(bar[3], price);
      bar[4] = price;
    }
    return true;
  }

  feedCandles(figure) {
    const bars = [...this.complete, ...this.running.values()];
    if (!figure || !bars.length) return;
    const at = bars.map((_, place) => place);
    const column = (number) => bars.map((bar) => bar[number]);
    const [opened, high, low, close] = [1, 2, 3, 4].map(column);
    const volume = bars.map((bar) => bar[5] ?? NaN);
    const direction = bars.map((_, place) => (close[place] >= opened[place] ? "up" : "down"));
    const bottom = at.map((place) => Math.min(opened[place], close[place]));
    const top = at.map((place) => Math.max(opened[place], close[place], bottom[place] * 1.0002));
    const left = at.map((place) => place - HALF_BODY), right = at.map((place) => place + HALF_BODY);
    const session = bars.map((bar) => ms(bar[0]));
    figure.feed("candles-1", { at, low, high, direction, color: direction });
    figure.feed("candles-0", { left, right, bottom, top, direction, color: direction, session, open: opened, high, low, close, volume });
    figure.feed("volume-0", { left, right, bottom: at.map(() => 0), top: volume, direction, color: direction });
    const first = Math.max(0, bars.length - this.shown);
    const lowest = Math.min(...low.slice(first)), highest = Math.max(...high.slice(first)), margin = 0.06 * (highest - lowest);
    figure.range("candles", "x_range", first - 1, bars.length);
    figure.range("candles", "y_range", lowest - margin, highest + margin);
    figure.range("volume", "y_range", 0, 1.12 * Math.max(...volume.slice(first).filter(Number.isFinite), 1));
    const ticks = monthTicks(bars, (LABEL_PIXELS * this.shown) / Math.max(1, figure.target.clientWidth - MARGIN_PIXELS));
    if (String(ticks) === this.ticked) return;
    this.ticked = String(ticks);
    figure.ticks("candles", ticks);
    figure.ticks("volume", ticks);
  }

  feedPortfolio(figure, line) {
    if (!figure || !line?.points.length) return;
    const session = line.points.map((point) => ms(point.session));
    const nav = line.points.map((point) => point.nav);
    const benchmark = line.points.map((point) => point.benchmark ?? NaN);
    const drawdown = line.points.map((point) => point.drawdown);
    figure.feed("equity-0", { session, benchmark });
    figure.feed("equity-1", { session, nav, benchmark, drawdown });
    figure.feed("drawdown-0", { x: [...session, ...[...session].reverse()], y: [...drawdown, ...drawdown.map(() => 0)] });
    figure.feed("drawdown-1", { session, drawdown });
    const known = [...nav, ...benchmark].filter(Number.isFinite);
    const low = Math.min(...known), high = Math.max(...known), margin = Math.max(0.1 * (high - low), 0.002 * high);
    const [first, last] = timeSpan(session);
    figure.range("equity", "x_range", first, last);
    figure.range("equity", "y_range", low - margin, high + margin);
    figure.range("drawdown", "y_range", Math.min(...drawdown, -0.01) * 1.12, 0);
  }

  feedMonitor(figure, line) {
    if (!figure || !line?.points.length) return;
    const session = line.points.map((point) => ms(point.session));
    const ic = line.points.map((point) => point.ic ?? NaN);
    figure.feed("ic-0", { session, ic });
    const [first, last] = timeSpan(session);
    figure.range("ic", "x_range", first, last);
    const known = ic.filter(Number.isFinite);
    const range = figure.named("ic")?.y_range;
    if (!known.length || !range) return;
    figure.widest ??= [range.start, range.end];
    figure.range("ic", "y_range", Math.min(figure.widest[0], ...known.map((each) => each - 0.02)), Math.max(figure.widest[1], ...known.map((each) => each + 0.02)));
  }
}

function timeSpan(session) {
  const day = 86_400_000, first = session[0], last = Math.max(session.at(-1), first + 10 * day);
  const margin = 0.02 * (last - first);
  return [first - margin, last + margin];
}

/* Months where they begin, none nearer to the one before than `apart` bars. */
export function monthTicks(bars, apart = 0) {
  const ticks = [];
  bars.forEach(([session], place) => {
    if (!place || session.slice(0, 7) === bars[place - 1][0].slice(0, 7)) return;
    if (ticks.length && place - ticks.at(-1)[0] < apart) return;
    const [year, month] = session.split("-");
    const name = MONTHS[Number(month) - 1];
    ticks.push([place, month === "01" || !ticks.length ? `${name} ${year}` : name]);
  });
  return ticks;
}
