const NAMES = {
  "signed-out": "Signed out",
  connecting: "Connecting",
  live: "Live",
  stale: "Stale",
  draining: "Server stopping",
  reconnecting: "Reconnecting",
};
const TITLE = "Live prices · tickerd";

/**
 * The line that says whether what is below may be believed: the connection's state, the measured delay and the rate.
 * Only a change of state is announced to screen readers, not the countdown nor the figures.
 */
export class Strip {
  #now;
  #name = "signed-out";

  constructor(now) {
    this.#now = now;
  }

  /** Shows a state of the feed. Give it again and again, so that the countdown goes on. */
  set state(state) {
    const { name } = state;
    write("state-detail", this.#detail(state));
    if (name === this.#name) return;
    this.#name = name;
    part("connection-state").dataset.state = name;
    part("retry").hidden = name !== "reconnecting";
    write("state-name", NAMES[name]);
    write("announcer", `${NAMES[name]}. ${state.reason ?? ""}`);
    document.title = name === "live" || name === "signed-out" ? TITLE : `${NAMES[name]} · tickerd`;
  }

  #detail({ name, at, reason }) {
    const left = Math.max(1, Math.ceil((at - this.#now()) / 1_000));
    switch (name) {
      case "live":
        return reason ?? "";
      case "stale":
        return reason ?? "Nothing is heard from the server.";
      case "draining":
        return `Reconnects in ${left} s.`;
      case "reconnecting":
        return `${navigator.onLine ? reason : "This device is offline."} Next try in ${left} s.`;
      default:
        return "";
    }
  }

  /** `delay` in milliseconds, null where there is none; `rate` in messages a second. */
  set figures({ delay, rate, user }) {
    write("delay", delay === null ? "\u2013" : delay < 1 ? "<\u20091 ms" : `${Math.round(delay)} ms`);
    write("rate", `${rate > 0 && rate < 9.5 ? rate.toFixed(1) : Math.round(rate)} /s`);
    write("user", user);
  }
}

function part(id) {
  return document.getElementById(id);
}

function write(id, text) {
  if (part(id).textContent !== text) part(id).textContent = text;
}
