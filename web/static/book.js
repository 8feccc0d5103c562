import { Days } from "./days.js";

// A tick that was under way when its source fell silent may still come just after the status that says so.
const GRACE = 1_000;

/**
 * The newest price of each symbol, and whether it may be believed.
 *
 * A quote is {symbol, price (digits), timestamp (unix seconds), opened (the first price seen here), openedAt (unix
 * seconds), heard}. `heard` is when the last tick came; a snapshot does not count, since it repeats old prices.
 */
export class Book {
  #quotes = new Map();
  #opened = new Map(); // symbol → the first price and its time, kept while the quote is not
  #sources = new Map(); // name → Map of symbol or "*" → {state, at}

  days = new Days();

  get quotes() {
    return this.#quotes;
  }

  /** Takes in a ticker message; answers the symbols it was about. A snapshot drops what it does not name. */
  ticker({ data, snapshot }, now) {
    if (snapshot) {
      const named = new Set(data.map((d) => d.symbol));
      for (const symbol of this.#quotes.keys()) if (!named.has(symbol)) this.#quotes.delete(symbol);
    }
    for (const { symbol, price, timestamp } of data) {
      let quote = this.#quotes.get(symbol);
      if (!quote) {
        if (!this.#opened.has(symbol)) this.#opened.set(symbol, { opened: price, openedAt: Date.now() / 1_000 });
        quote = { symbol, price, timestamp, ...this.#opened.get(symbol), heard: -Infinity };
        this.#quotes.set(symbol, quote);
      }
      quote.price = price;
      quote.timestamp = timestamp;
      this.days.price(symbol, price);
      if (!snapshot) quote.heard = now;
    }
    return data;
  }

  /**
   * Takes in a status message. Without symbols it is about the source as a whole. One that is only a part of another
   * tells nothing of the prices. Those that are gone are dropped.
   */
  status({ source, state, symbols, part_of: whole, gone }, now) {
    if (whole) return;
    const about = symbols?.length ? symbols : ["*"];
    let marks = this.#sources.get(source);
    if (!marks || about.includes("*")) this.#sources.set(source, marks = new Map());
    for (const symbol of about) {
      if (gone) this.#quotes.delete(symbol);
      if (gone || state === "live") marks.delete(symbol);
      else marks.set(symbol, { state, at: now });
    }
    if (marks.size === 0) this.#sources.delete(source);
  }

  /**
   * "live", "stale" or "down". A symbol that has had a tick since its source was reported comes from somewhere else too,
   * and is live.
   */
  state({ symbol, heard }) {
    let worst = "live";
    for (const marks of this.#sources.values()) {
      const mark = marks.get(symbol) ?? marks.get("*");
      if (!mark || heard > mark.at + GRACE) continue;
      if (mark.state === "down" || worst === "live") worst = mark.state;
    }
    return worst;
  }

  /** False when no price is live: not one of those that there are, or where there are none, some source is not. */
  get believed() {
    const quotes = [...this.#quotes.values()];
    return quotes.length === 0 ? this.#sources.size === 0 : quotes.some((q) => this.state(q) === "live");
  }

  /** The sources that are not live: [{source, state, symbols}], `symbols` being those shown that suffer by it. */
  troubles() {
    return [...this.#sources].map(([source, marks]) => ({
      source,
      state: [...marks.values()].some((m) => m.state === "down") ? "down" : "stale",
      symbols: [...this.#quotes.values()]
        .filter((q) => (marks.has(q.symbol) || marks.has("*")) && this.state(q) !== "live")
        .map((q) => q.symbol),
    }));
  }

  /** After `welcome` the server tells again which sources are not live. */
  forgetStatus() {
    this.#sources.clear();
  }

  clear() {
    this.#quotes.clear();
    this.#opened.clear();
    this.days.clear();
    this.#sources.clear();
  }
}
