const KEPT = 10;

/**
 * The server's clock, seen from here, so that a wrong clock on this machine does not falsify the delay.
 *
 * A ping that left at `sent` and was answered at `received` met the server's clock about half-way. The answer with the
 * shortest way of the last ten is believed: it can be wrong by no more than half that way.
 */
export class Clock {
  #samples = [];

  /** Times in milliseconds of this machine's clock; `stamp` is the server's, in microseconds. */
  sample(sent, received, stamp) {
    this.#samples.push({ way: received - sent, offset: stamp / 1000 - (sent + received) / 2 });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  /** Milliseconds that the server's clock is ahead of this one's; null while unknown. */
  get offset() {
    let best = null;
    for (const s of this.#samples) if (best === null || s.way < best.way) best = s;
    return best && best.offset;
  }

  /** After a sleep, or on another server, what was measured no longer counts. */
  reset() {
    this.#samples = [];
  }
}
