import { change } from "./change.js";
import { since } from "./since.js";

const HOLD = 1_000; // a direction stays this long, so that nothing flashes faster than once a second
const FLASH = HOLD / 4; // and its colour begins to fade after this
const OLD = 10; // seconds after which a price says its age

const LABELS = { stale: "Stale", down: "Source down", waiting: "Not live" };
const ARROWS = { up: "\u25b2", down: "\u25bc" };

/** One symbol's line in the table. It writes to the document only what differs from what is there. */
export class Row {
  #parts = {};
  #shown = { tag: "", origin: "", since: "" };
  #start = null;
  #moved = { from: "", to: "" };
  #direction = { price: null, at: -Infinity, flashing: false };

  /** The quote has changed since this row was last drawn. */
  dirty = true;
  visible = false;

  constructor(template, symbol) {
    this.symbol = symbol;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.symbol = symbol;
    for (const part of this.element.querySelectorAll("[data-field]")) {
      if (!part.firstChild) part.append("");
      this.#parts[part.dataset.field] = part;
    }
    const dash = symbol.indexOf("-");
    this.#write("base", dash < 0 ? symbol : symbol.slice(0, dash));
    this.#write("quote", dash < 0 ? "" : symbol.slice(dash));
  }

  get chartCell() {
    return this.#parts.chart;
  }

  /** `state` is live, stale, down or waiting; `serverNow` is unix seconds, or null while unknown. */
  draw(quote, state, now, serverNow) {
    this.dirty = false;
    if (this.element.dataset.state !== state) this.element.dataset.state = state;
    const label = LABELS[state] ?? age(quote, serverNow);
    this.#write("tag", label);
    if (label) this.#rest(quote);
    else this.#point(quote, now);
    this.#write("price", quote.price);
  }

  /**
   * How far the price has moved, and the range of its day where there is one. `start` is what the change is counted from
   * where the head of the column does not say so, else null.
   */
  drawDay(quote, day, start) {
    this.#change(day?.open ?? quote.opened, quote.price);
    this.element.toggleAttribute("data-day", Boolean(day));
    for (const field of ["open", "high", "low"]) this.#write(field, day?.[field] ?? "");
    if (this.#start === start) return;
    this.#start = start;
    this.#write("since", start === null ? "" : since(start, Date.now() / 1_000));
  }

  #change(from, to) {
    if (this.#moved.from === from && this.#moved.to === to) return;
    this.#moved = { from, to };
    const moved = change(from, to);
    this.#write("amount", moved?.amount ?? "");
    this.#write("percent", moved?.percent ?? "");
    this.#parts.change.dataset.sign = moved?.sign ?? 0;
  }

  /** Which exchanges stand behind the price, where it is worth saying. */
  drawOrigin(text) {
    this.#write("origin", text);
  }

  /** True while a flash waits to be taken back. */
  get flashing() {
    return this.#direction.flashing;
  }

  /** An old price points nowhere. */
  #rest(quote) {
    this.#calm();
    this.#direction.price = quote.price;
    this.#write("direction", "");
  }

  #calm() {
    this.#direction.flashing = false;
    delete this.element.dataset.flash;
  }

  #point(quote, now) {
    const d = this.#direction;
    const { element } = this;
    if (d.flashing && now - d.at > FLASH) this.#calm();
    d.price ??= quote.price;
    if (quote.price === d.price || now - d.at < HOLD) return;
    const way = Number(quote.price) > Number(d.price) ? "up" : "down";
    d.price = quote.price;
    d.at = now;
    d.flashing = true;
    element.dataset.direction = way;
    element.dataset.flash = way;
    this.#write("direction", ARROWS[way]);
  }

  #write(field, text) {
    if (this.#shown[field] === text) return;
    this.#shown[field] = text;
    this.#parts[field].firstChild.data = text;
  }
}

function age({ timestamp }, serverNow) {
  const seconds = serverNow === null ? 0 : Math.floor(serverNow - timestamp);
  if (seconds < OLD) return "";
  if (seconds < 60) return `${seconds} s old`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min old`;
  return `${Math.floor(seconds / 3_600)} h old`;
}
