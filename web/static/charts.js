import { History, SPAN } from "./history.js";
import { inkOf, Sparkline } from "./sparkline.js";

const FIRST_SPAN = 10; // seconds; the window grows from here to SPAN as prices come in

/** The charts of the rows in sight. All show the same time, which ends now. */
export class Charts {
  #ink;
  #history = new History();
  #shown = new Map(); // row → its sparkline
  #spare = [];
  #span = FIRST_SPAN;

  /** Called when other rows are in sight, with their symbols. */
  onSight = () => {};
  /** Called when they show another time, with its name. */
  onSpan = () => {};

  /** `element` has the colours. */
  constructor(element) {
    this.#ink = inkOf(element);
  }

  /** `valueOf(quote)` is its price as a number, or NaN for a gap. */
  sample(seconds, quotes, valueOf) {
    this.#history.sample(seconds, quotes, valueOf);
  }

  /** Shows what was before: candles of a minute, as the server sends them. */
  fill(symbol, candles, seconds) {
    this.#history.fill(symbol, candles, seconds);
  }

  /** The row has come into sight. */
  give(row) {
    if (this.#shown.has(row)) return;
    const chart = this.#spare.pop() ?? new Sparkline(this.#ink);
    chart.put(row.chartCell);
    this.#shown.set(row, chart);
  }

  /** The row is out of sight. */
  take(row) {
    const chart = this.#shown.get(row);
    if (!chart) return;
    chart.remove();
    this.#shown.delete(row);
    this.#spare.push(chart);
  }

  /** Tells onSight after rows were given or taken. */
  tell() {
    this.onSight([...this.#shown.keys()].map((row) => row.symbol));
  }

  draw() {
    const shown = [...this.#shown].map(([row, chart]) => ({
      chart,
      series: this.#history.series(row.symbol),
      size: [row.chartCell.clientWidth, row.chartCell.clientHeight], // all reads, then all writes
    }));
    this.#stretch(Math.max(0, ...shown.map(({ series: [times] }) => times.at(-1) - times[0] || 0)));
    for (const { chart, series, size } of shown) {
      chart.fit(...size);
      chart.draw(series, this.#span);
    }
  }

  #stretch(seconds) {
    this.#span = Math.min(SPAN, Math.max(FIRST_SPAN, seconds));
    this.onSpan(nameOf(this.#span));
  }

  clear() {
    this.#history.clear();
  }
}

function nameOf(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 2) return "Last minute";
  return minutes < 60 ? `Last ${minutes} minutes` : "Last hour";
}
