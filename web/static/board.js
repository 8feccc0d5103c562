import { Row } from "./row.js";
import { isNear } from "./since.js";

const ROOMY = 8; // up to so many symbols get a large line each
const STEP = 200; // charts move this often
const SWEEP = 1_000; // rows out of sight are brought up to date this often
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const CALM_STEP = 1_000; // then charts move only this often

/**
 * The table. However many messages come, a row is drawn at most once a frame with the newest price, and only if it can
 * be seen; a hidden tab gets no frames and so does no work. Charts exist only for rows in sight.
 */
export class Board {
  #book;
  #exchanges;
  #charts;
  #now;
  #serverNow;
  #body;
  #table;
  #template;

  #rows = new Map();
  #observer;
  #live = false;
  #frame = 0;
  #swept = 0;
  #charted = 0;
  #chars = { symbol: 0, price: 0, day: 0 };
  #start = Infinity; // of the longest change that is shown
  #terms = "";

  /** Called when rows have come, gone or been filtered: (shown, all). */
  onCount = () => {};
  /** Called now and then: what rows say has changed since then, in unix seconds, unless a row has a later start and says so. */
  onStart = () => {};

  /** `clocks` has now(), as of performance.now(), and serverNow(), unix seconds of the server's clock, or null. */
  constructor(table, template, { book, exchanges, charts }, { now, serverNow }) {
    this.#table = table;
    this.#body = table.tBodies[0];
    this.#template = template;
    this.#book = book;
    this.#exchanges = exchanges;
    this.#charts = charts;
    this.#now = now;
    this.#serverNow = serverNow;
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
    this.#charts.clear();
    this.#chars = { symbol: 0, price: 0, day: 0 };
    this.#arrange();
  }

  #arrange() {
    const { quotes } = this.#book;
    for (const [symbol, row] of this.#rows) {
      if (quotes.has(symbol)) continue;
      this.#observer.unobserve(row.element);
      this.#charts.take(row);
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
      if (isIntersecting) this.#charts.give(row);
      else this.#charts.take(row);
    }
    this.#charts.tell();
    this.#charts.draw();
    this.#request();
  }

  #state(quote) {
    return this.#live ? this.#book.state(quote) : "waiting";
  }

  /** Sampling goes on in a hidden tab, so that the chart has no hole when it is looked at again. */
  #tick() {
    if (this.#rows.size === 0) return;
    const now = this.#now();
    const seconds = this.#serverNow();
    const valueOf = (quote) => (this.#state(quote) === "live" ? Number(quote.price) : NaN);
    if (seconds !== null) this.#charts.sample(seconds, this.#book.quotes, valueOf);
    if (document.hidden) return;
    this.#request();
    if (CALM.matches && now - this.#charted < CALM_STEP) return;
    this.#charted = now;
    this.#charts.draw();
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
      this.#survey();
    }
    for (const row of this.#rows.values()) {
      if (!sweep && !(row.visible && (row.dirty || row.flashing))) continue;
      const quote = this.#book.quotes.get(row.symbol);
      const day = this.#book.days.of(row.symbol);
      row.draw(quote, this.#state(quote), now, serverNow);
      const start = startOf(quote, day);
      row.drawDay(quote, day, isNear(start, this.#start) ? null : start);
      row.drawOrigin(this.#exchanges.apart(row.symbol));
    }
  }

  /** Columns are as wide as the longest text so far, and what rows have in common is said once. */
  #survey() {
    const { quotes, days } = this.#book;
    const starts = [];
    for (const quote of quotes.values()) {
      const day = days.of(quote.symbol);
      this.#longest("symbol", quote.symbol.length);
      this.#longest("price", quote.price.length);
      if (day) this.#longest("day", Math.max(day.open.length, day.high.length, day.low.length));
      starts.push(startOf(quote, day));
    }
    if (starts.length === 0) return;
    this.#start = starts.reduce((a, b) => Math.min(a, b));
    this.#table.dataset.lines = days.size > 0 || !starts.every((start) => isNear(start, this.#start)) ? 2 : 1;
    this.onStart(this.#start);
  }

  #longest(column, chars) {
    if (chars <= this.#chars[column]) return;
    this.#chars[column] = chars;
    this.#table.style.setProperty(`--${column}-chars`, chars);
  }
}

/** What the change that a row shows is counted from. */
function startOf(quote, day) {
  return day?.since ?? quote.openedAt;
}
