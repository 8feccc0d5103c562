const SPAN = 3_000;
const DELAYS = 200;

/** Messages a second over the last three seconds, and the median delay of the last messages of that time. */
export class Meter {
  #arrivals = [];
  #delays = [];
  #since = null;
  #last = 0;

  /** `delay` in milliseconds, or null where the server's clock is not known yet. */
  message(now, delay) {
    this.#since ??= now;
    this.#last = now;
    this.#arrivals.push(now);
    this.#forget(now);
    if (delay === null) return;
    this.#delays.push({ now, delay: Math.max(0, delay) });
    if (this.#delays.length > DELAYS) this.#delays.shift();
  }

  rate(now) {
    this.#forget(now);
    if (this.#since === null) return 0;
    const span = Math.min(SPAN, Math.max(500, now - this.#since));
    return this.#arrivals.length / span * 1_000;
  }

  /** Milliseconds, or null while nothing was measured. */
  delay(now) {
    const recent = this.#delays.filter((d) => now - d.now <= SPAN).map((d) => d.delay).sort((a, b) => a - b);
    return recent.length ? recent[recent.length >> 1] : null;
  }

  /** Milliseconds since the last message, or since the start. */
  silence(now) {
    return now - this.#last;
  }

  /** A new connection starts. */
  reset(now) {
    this.#arrivals = [];
    this.#delays = [];
    this.#since = null;
    this.#last = now;
  }

  #forget(now) {
    let old = 0;
    while (old < this.#arrivals.length && now - this.#arrivals[old] > SPAN) old++;
    if (old) this.#arrivals.splice(0, old);
  }
}
