export const QUIET = 3_500;
export const DEAD = 10_000;
const ASLEEP = 3_000;
const JUMP = 1_000;

/**
 * Judges by silence whether the other end is still there; a socket whose peer has vanished says nothing by itself.
 * The owner pings after a second and a half of silence, so a live connection is never silent for much longer, and asks
 * judge() about twice a second.
 *
 * `now` is a clock that only goes forward and may stand still while the machine sleeps (performance.now()), `wall` is
 * the time of day.
 */
export class Pulse {
  #heard;
  #judged;
  #lead;

  constructor(now, wall) {
    this.#heard = this.#judged = now;
    this.#lead = wall - now;
  }

  heard(now) {
    this.#heard = now;
  }

  silence(now) {
    return now - this.#heard;
  }

  /**
   * "ok"; "quiet": what is shown may be old; "dead": give the connection up; "woke": this machine or tab was asleep or
   * its clock was set, so the silence may be its own: ping, and trust nothing until something is heard.
   */
  judge(now, wall) {
    const jumped = Math.abs(wall - now - this.#lead) > JUMP;
    const slept = now - this.#judged > ASLEEP && this.silence(now) >= QUIET;
    this.#judged = now;
    this.#lead = wall - now;
    if (jumped || slept) {
      this.#heard = now - QUIET;
      return "woke";
    }
    if (this.silence(now) < QUIET) return "ok";
    return this.silence(now) < DEAD ? "quiet" : "dead";
  }
}
