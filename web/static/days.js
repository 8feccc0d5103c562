import { compare } from "./change.js";

/**
 * What became of each price in the last 24 hours, as the server last said, and with every price that has come since.
 *
 * A day is {open, high, low (digits), since (unix seconds)}; on a young server it is shorter than its name.
 */
export class Days {
  #days = new Map();
  #meanwhile = null; // symbol → {high, low} of what came while the server was asked, which its answer may lack

  of(symbol) {
    return this.#days.get(symbol);
  }

  get size() {
    return this.#days.size;
  }

  /** The server is being asked. */
  asking() {
    this.#meanwhile = new Map();
  }

  /** Its answer takes the place of the one before. */
  take(data) {
    this.#days = new Map(data.map(({ symbol, open, high, low, since }) => [symbol, { open, high, low, since }]));
    for (const [symbol, { high, low }] of this.#meanwhile ?? []) {
      widen(this.#days.get(symbol), high);
      widen(this.#days.get(symbol), low);
    }
    this.#meanwhile = null;
  }

  /** A price has come. */
  price(symbol, price) {
    widen(this.#days.get(symbol), price);
    if (this.#meanwhile === null) return;
    const range = this.#meanwhile.get(symbol);
    if (range) widen(range, price);
    else this.#meanwhile.set(symbol, { high: price, low: price });
  }

  clear() {
    this.#days.clear();
    this.#meanwhile = null;
  }
}

function widen(range, price) {
  if (!range) return;
  if (compare(price, range.high) > 0) range.high = price;
  else if (compare(price, range.low) < 0) range.low = price;
}
