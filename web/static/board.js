import { History, STEP } from "./history.js";
import { Row } from "./row.js";
import { inkOf, Sparkline } from "./sparkline.js";

const ROOMY = 8; // up to so many symbols get a large line each
const SWEEP = 1_000; // rows out of sight are brought up to date this often
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const CALM_STEP = 1_000; // then charts move this often

/**
 * The table. However many messages come, a row is drawn at most once a frame with the newest price, and only if it can
 * be seen; a hidden tab gets no frames and so does no work. Charts exist only for rows in sight.
 */
export class Board {
  #book;
  #now;
  #serverNow;
  #body;
  #table;
  #template;
  #ink;

  #rows = new Map();
  #history = new History();
  #charts = new Map(); // row → its sparkline
  #spare = [];
  #observer;
  #live = false;
  #frame = 0;
  #swept = 0;
  #charted = 0;
  #chars = { symbol: 0, price: 0 };
  #terms = "";

  /** Called when rows have come, gone or been filtered: (shown, all). */
  onCount = () => {};

  /** `serverNow()` answers unix seconds of the server's clock, or null. */
  constructor(table, template, book, now, serverNow) {
    this.#table = table;
    this.#body = table.tBodies[0];
    this.#template = template;
    this.#book = book;
    this.#now = now;
    this.#serverNow = serverNow;
    this.#ink = inkOf(table);
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "100px 0px" });
    setInterval(() => this.#tick(), STEP);
  }

  /** The quotes of these symbols have changed. */
  changed(data) {
    for (const { symbol } of data) {
      const row = this.#rows.get(symbol);
      if (row) row.dirty = true;
    }
    if (this.#rows.size !== this.#book.quotes.size || data.some((d) => !this.#rows.has(d.symbol))) this.#arrange();
    this.#request();
  }

  /** Nothing is live while the connection is not. */
  set live(live) {
    if (live === this.#live) return;
    this.#live = live;
    this.restate();
  }

  /** What rows are believed has changed: all of them are drawn again. */
  restate() {
    for (const row of this.#rows.values()) row.dirty = true;
    this.#swept = -Infinity;
    this.#request();
  }

  filter(text) {
    this.#terms = text.trim().toUpperCase();
    this.#hide();
  }

  clear() {
    this.#history.clear();
    this.#chars = { symbol: 0, price: 0 };
    this.#arrange();
  }

  #arrange() {
    const { quotes } = this.#book;
    for (const [symbol, row] of this.#rows) {
      if (quotes.has(symbol)) continue;
      this.#observer.unobserve(row.element);
      this.#takeChart(row);
      row.element.remove();
      this.#rows.delete(symbol);
    }
    let added = false;
    for (const symbol of quotes.keys()) {
      if (this.#rows.has(symbol)) continue;
      const row = new Row(this.#template, symbol);
      this.#rows.set(symbol, row);
      this.#observer.observe(row.element);
      added = true;
    }
    if (added) {
      const sorted = [...this.#rows.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
      this.#body.append(...sorted.map((row) => row.element));
      this.#swept = -Infinity;
    }
    this.#table.dataset.density = this.#rows.size <= ROOMY ? "roomy" : "compact";
    this.#hide();
  }

  #hide() {
    let shown = 0;
    for (const row of this.#rows.values()) {
      row.element.hidden = !row.symbol.includes(this.#terms);
      if (!row.element.hidden) shown++;
    }
    this.onCount(shown, this.#rows.size);
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.#rows.get(target.dataset.symbol);
      if (row?.element !== target) continue; // it has left the table meanwhile
      row.visible = isIntersecting;
      if (isIntersecting) this.#giveChart(row);
      else this.#takeChart(row);
    }
    this.#request();
  }

  #giveChart(row) {
    if (this.#charts.has(row)) return;
    const chart = this.#spare.pop() ?? new Sparkline(this.#ink);
    chart.put(row.chartCell);
    this.#charts.set(row, chart);
    this.#drawCharts([[row, chart]]);
  }

  #takeChart(row) {
    const chart = this.#charts.get(row);
    if (!chart) return;
    chart.remove();
    this.#charts.delete(row);
    this.#spare.push(chart);
  }

  #drawCharts(charts) {
    const sizes = charts.map(([row]) => [row.chartCell.clientWidth, row.chartCell.clientHeight]); // all reads, then all writes
    charts.forEach(([row, chart], i) => {
      chart.fit(...sizes[i]);
      chart.draw(this.#history.series(row.symbol));
    });
  }

  #state(quote) {
    return this.#live ? this.#book.state(quote) : "waiting";
  }

  /** Sampling goes on in a hidden tab, so that the chart has no hole when it is looked at again. */
  #tick() {
    if (this.#rows.size === 0) return;
    const now = this.#now();
    const { quotes } = this.#book;
    this.#history.sample(now / 1_000, quotes, (q) => (this.#state(q) === "live" ? Number(q.price) : NaN));
    if (document.hidden) return;
    this.#request();
    if (CALM.matches && now - this.#charted < CALM_STEP) return;
    this.#charted = now;
    this.#drawCharts([...this.#charts]);
  }

  #request() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const now = this.#now();
    const serverNow = this.#serverNow();
    const sweep = now - this.#swept >= SWEEP;
    if (sweep) {
      this.#swept = now;
      this.#widen();
    }
    for (const row of this.#rows.values()) {
      if (!sweep && !(row.visible && (row.dirty || row.flashing))) continue;
      const quote = this.#book.quotes.get(row.symbol);
      row.draw(quote, this.#state(quote), now, serverNow);
    }
  }

  /** Columns are as wide as the longest text so far. */
  #widen() {
    for (const { symbol, price } of this.#book.quotes.values()) {
      this.#longest("symbol", symbol.length);
      this.#longest("price", price.length);
    }
  }

  #longest(column, chars) {
    if (chars <= this.#chars[column]) return;
    this.#chars[column] = chars;
    this.#table.style.setProperty(`--${column}-chars`, chars);
  }
}
