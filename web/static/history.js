export const SPAN = 60; // seconds that a chart shows
export const STEP = 200; // milliseconds between samples
const LENGTH = SPAN * 1_000 / STEP + 1;

/**
 * The last minute of every symbol, sampled at one common clock whether it ticks or not, so that memory and work do not
 * grow with the tick rate. What was not live then is a gap.
 */
export class History {
  #times = new Float64Array(LENGTH);
  #rings = new Map();
  #count = 0;

  /** `valueOf(quote)` is its price as a number, or NaN for a gap. `seconds` is the time of the sample. */
  sample(seconds, quotes, valueOf) {
    const slot = this.#count % LENGTH;
    this.#times[slot] = seconds;
    for (const ring of this.#rings.values()) ring[slot] = NaN;
    for (const [symbol, quote] of quotes) {
      let ring = this.#rings.get(symbol);
      if (!ring) this.#rings.set(symbol, ring = new Float64Array(LENGTH).fill(NaN));
      ring[slot] = valueOf(quote);
    }
    this.#count++;
  }

  /** [times, values], oldest first, null for a gap: what uPlot takes. */
  series(symbol) {
    const ring = this.#rings.get(symbol);
    const length = Math.min(this.#count, LENGTH);
    const times = new Array(length);
    const values = new Array(length);
    for (let i = 0; i < length; i++) {
      const slot = (this.#count - length + i) % LENGTH;
      const value = ring ? ring[slot] : NaN;
      times[i] = this.#times[slot];
      values[i] = Number.isNaN(value) ? null : value;
    }
    return [times, values];
  }

  clear() {
    this.#rings.clear();
    this.#count = 0;
  }
}
