/**
 * Timers that run when the test says so. node 20's own mock goes on with an interval that is cleared from inside its
 * callback.
 */
export class Timers {
  #timers = new Map();
  #last = 0;

  now = 0;

  constructor(mock) {
    mock.method(globalThis, "setTimeout", (run, wait) => this.#add(run, wait));
    mock.method(globalThis, "setInterval", (run, wait) => this.#add(run, wait, wait));
    mock.method(globalThis, "clearTimeout", (id) => this.#timers.delete(id));
    mock.method(globalThis, "clearInterval", (id) => this.#timers.delete(id));
  }

  advance(milliseconds) {
    this.now += milliseconds;
    for (const [id, timer] of [...this.#timers]) {
      if (timer.at > this.now || !this.#timers.has(id)) continue;
      if (timer.every) timer.at += timer.every;
      else this.#timers.delete(id);
      timer.run();
    }
  }

  #add(run, wait, every) {
    this.#timers.set(++this.#last, { run, at: this.now + wait, every });
    return this.#last;
  }
}
