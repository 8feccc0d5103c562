import { parse } from "./digits.js";

const PERIOD = 60_000; // between two questions for the figures of 24 hours
const SPREAD = 15_000; // and more by chance, so that pages that lost the same server do not stay in step
const RETRY = 5_000; // after a failure; it doubles up to PERIOD
const AT_ONCE = 2; // candles of so many symbols are asked for
const CANDLES = 62; // a chart's hour: the ends of 61 minutes, and the minute that is not over

/**
 * GET with a token. Answers {data} with the prices' digits, {absent: true} where the server knows no such thing, or {}
 * where it cannot tell just now.
 */
export async function ask(path, token, fetch = globalThis.fetch) {
  try {
    const response = await fetch(path, {
      headers: { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(10_000),
      cache: "no-store",
      credentials: "omit",
    });
    if (!response.ok) return { absent: response.status === 404 };
    const { data } = parse(await response.text());
    return Array.isArray(data) ? { data } : {};
  } catch {
    return {};
  }
}

/**
 * Asks the server what became of prices while this page was not there: the figures of the last 24 hours each minute, and
 * once in a connection the candles of every symbol in sight, a few at a time. A server without a history is asked
 * once in a connection; a hidden page asks nothing.
 *
 * The listener has asking(), before the figures are asked for, stats(data), empty where there is no history, and
 * candles(symbol, data).
 */
export class Past {
  #ask;
  #listener;
  #hidden;

  #run = 0; // changes with each start and stop: what was asked before no longer counts
  #timer;
  #due = false; // the figures were to be asked for while the page was hidden
  #failures = 0;
  #answers = false; // whether the server has a history, as far as is known
  #wanted = [];
  #asked = new Set();
  #busy = 0;

  /** `ask(path)` is ask with the token of the moment. */
  constructor(ask, listener, hidden = () => document.hidden) {
    this.#ask = ask;
    this.#listener = listener;
    this.#hidden = hidden;
  }

  /** A connection is live: all is asked for anew. */
  start() {
    this.stop();
    this.#asked.clear();
    this.#failures = 0;
    this.#poll();
  }

  stop() {
    this.#run++;
    clearTimeout(this.#timer);
    this.#answers = this.#due = false;
  }

  /** The page is seen again. */
  nudge() {
    if (this.#due) this.#poll();
  }

  /** These symbols are in sight. */
  want(symbols) {
    this.#wanted = symbols;
    this.#next();
  }

  async #poll() {
    const run = this.#run;
    this.#due = false;
    this.#listener.asking();
    const { data, absent } = await this.#ask("/api/v1/stats");
    if (run !== this.#run) return;
    this.#answers = data !== undefined;
    if (data || absent) this.#listener.stats(data ?? []);
    if (absent) return;
    const wait = data ? PERIOD : Math.min(PERIOD, RETRY * 2 ** this.#failures);
    this.#failures = data ? 0 : this.#failures + 1;
    this.#timer = setTimeout(() => this.#again(), wait + Math.random() * SPREAD);
    this.#next();
  }

  #again() {
    this.#due = true;
    if (!this.#hidden()) this.#poll();
  }

  #next() {
    while (this.#answers && this.#busy < AT_ONCE) {
      const symbol = this.#wanted.find((s) => !this.#asked.has(s));
      if (symbol === undefined) return;
      this.#askCandles(symbol);
    }
  }

  /** After a failure candles wait until the figures can be had again. */
  async #askCandles(symbol) {
    const run = this.#run;
    this.#busy++;
    this.#asked.add(symbol);
    const { data, absent } = await this.#ask(`/api/v1/candles?symbol=${encodeURIComponent(symbol)}&interval=1m&limit=${CANDLES}`);
    this.#busy--;
    if (run === this.#run) {
      if (data) this.#listener.candles(symbol, data);
      else if (!absent) {
        this.#asked.delete(symbol);
        this.#answers = false;
      }
    }
    this.#next();
  }
}
