export const SPAN = 3_600; // seconds that a chart shows at most
const STEP = 0.2; // seconds between samples at first
const MINUTE = 60;
const LENGTH = 400;

/**
 * What charts show of every symbol: prices sampled at one common clock whether they tick or not, so that memory and work
 * do not grow with the tick rate. What was not live then is a gap. When there is no room for more, every other sample
 * goes and the step is twice as long from then on, until all of SPAN has room; the last sample is always the newest.
 *
 * Where there are no samples stand the candles that the server kept, if they were given. Times are unix seconds.
 */
export class History {
  #times = new Float64Array(LENGTH);
  #rows = new Map(); // symbol → its samples
  #count = 0;
  #step = STEP;
  #past = new Map(); // symbol → points {time, value}, each of them the end of a minute

  /** `valueOf(quote)` is its price as a number, or NaN for a gap. A clock that was set back makes the later ones forgotten. */
  sample(seconds, quotes, valueOf) {
    while (this.#count > 0 && this.#times[this.#count - 1] >= seconds) this.#count--;
    if (this.#count > 1 && seconds - this.#times[this.#count - 2] < this.#step) this.#count--;
    if (this.#count === LENGTH) this.#makeRoom();
    const slot = this.#count++;
    this.#times[slot] = seconds;
    for (const row of this.#rows.values()) row[slot] = NaN;
    for (const [symbol, quote] of quotes) {
      let row = this.#rows.get(symbol);
      if (!row) this.#rows.set(symbol, row = new Float64Array(LENGTH).fill(NaN));
      row[slot] = valueOf(quote);
    }
  }

  #makeRoom() {
    const all = [this.#times, ...this.#rows.values()];
    if (this.#times[LENGTH - 1] - this.#times[0] >= SPAN) {
      for (const row of all) row.copyWithin(0, 1);
      this.#count--;
      return;
    }
    for (const row of all) for (let i = 0; 2 * i < LENGTH; i++) row[i] = row[2 * i];
    this.#count = LENGTH / 2;
    this.#step *= 2;
  }

  /** Takes in candles of a minute, [start, open, high, low, close], oldest first. `now` tells which of them is still open. */
  fill(symbol, candles, now) {
    const closed = candles.filter(([start]) => start + MINUTE <= now);
    this.#past.set(symbol, closed.map(([start, , , , close]) => ({ time: start + MINUTE, value: close })));
  }

  /** [times, values], oldest first, null for a gap: what uPlot takes. */
  series(symbol) {
    const line = [[], []];
    const row = this.#rows.get(symbol);
    let next = 0;
    for (const { time, value } of this.#past.get(symbol) ?? []) {
      let end = next;
      while (end < this.#count && this.#times[end] <= time) end++;
      const live = this.#append(line, row, next, end, time - MINUTE);
      next = end;
      if (live) continue;
      line[0].push(time);
      line[1].push(value);
    }
    this.#append(line, row, next, this.#count, Infinity);
    return line;
  }

  /** Appends samples to a line, but no gaps later than `known`. Answers whether any later one is a price. */
  #append([times, values], row, start, end, known) {
    let live = false;
    for (let i = start; i < end; i++) {
      const time = this.#times[i];
      const value = row ? row[i] : NaN;
      const isGap = Number.isNaN(value);
      if (time > known) {
        if (isGap) continue;
        live = true;
      }
      times.push(time);
      values.push(isGap ? null : value);
    }
    return live;
  }

  clear() {
    this.#rows.clear();
    this.#past.clear();
    this.#count = 0;
    this.#step = STEP;
  }
}
