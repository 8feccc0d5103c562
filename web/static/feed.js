import { backoff } from "./backoff.js";
import { Clock } from "./clock.js";
import { reason, verdict } from "./close.js";
import { parse } from "./digits.js";
import { probe } from "./probe.js";
import { Pulse } from "./pulse.js";
import { exchange, TokenError } from "./token.js";

const PROTOCOL = "tickerd.v1";
const BEAT = 500; // how often silence is judged
const PING = 1_500; // after so much silence: is there still someone?
const SAMPLE = 10_000; // while prices come: only to keep measuring the clock
const FIRST_PINGS = 5; // one a beat at first, so that the clock's offset is good from the start
const OPENING = 10_000; // a connection that has not said welcome by then is given up
const STEADY = 5_000; // one that lived this long counts as a success: the next failure starts at the first backoff
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The connection to the server, and everything that keeps it: a token from the API key, the socket, pings, a new token
 * before the old one ends, and coming back after a loss as the close code says.
 *
 * `state` is one of
 *
 *	{name: "signed-out", reason?}        reason: why, where it was not the person's own wish
 *	{name: "connecting"}
 *	{name: "live"}
 *	{name: "stale"}                      connected, but nothing is heard
 *	{name: "draining", at}               live; the server will close at that time
 *	{name: "reconnecting", at, reason}   the next try comes at that time
 *
 * `at` is a time of the performance.now() kind. The listener has state(state), ticker(message, receivedAt),
 * status(message) and welcome(message).
 */
export class Feed {
  #address;
  #listener;
  #world;

  #key = null;
  #token = null;
  #tokenEnds = 0;
  #user = "";
  #interval = 0;

  #socket = null;
  #welcomed = null; // when; null before welcome
  #drained = false;
  #pulse;
  #pings = 0;
  #pinged = 0;
  #beat;
  #renewal;

  #attempt = 0;
  #retry;
  #run = 0; // changes with each try and each stop: what an older one was waiting for no longer counts

  clock = new Clock();
  state = { name: "signed-out" };

  /** `world` is what a test replaces: open(url, protocols), exchange(key), probe(address, token), now(), wall(). */
  constructor(address, listener, world = {}) {
    this.#address = address;
    this.#listener = listener;
    this.#world = {
      open: (url, protocols) => new WebSocket(url, protocols),
      exchange,
      probe,
      now: () => performance.now(),
      wall: () => Date.now(),
      ...world,
    };
  }

  get user() {
    return this.#user;
  }

  /** What requests over HTTP show; null while there is none. */
  get token() {
    return this.#token;
  }

  /** Starts with a key, and with the grant of an exchange() where one was just made. */
  start(key, grant = null) {
    this.#halt();
    this.#key = key;
    this.#attempt = 0;
    if (grant) this.#keep(grant);
    this.#connect();
  }

  /** Ends everything and forgets key and token. */
  stop(reason) {
    this.#halt();
    this.#enter({ name: "signed-out", reason });
  }

  /** Something changed for the better (the network is back, the tab is seen, the person asks): do not wait longer. */
  nudge() {
    if (this.state.name === "reconnecting") this.#connect();
    else if (this.#welcomed !== null) this.#ping();
  }

  /** At most one update in so many milliseconds; 0 is every tick. */
  pace(milliseconds) {
    if (milliseconds === this.#interval) return;
    this.#interval = milliseconds;
    if (this.#welcomed !== null) this.#send({ type: "subscribe", symbols: ["*"], interval_ms: milliseconds });
  }

  #halt() {
    this.#release(1000);
    clearTimeout(this.#retry);
    this.#run++;
    this.#welcomed = this.#key = this.#token = null;
  }

  async #connect() {
    clearTimeout(this.#retry);
    const run = ++this.#run;
    this.#enter({ name: "connecting" });
    try {
      await this.#ensureToken();
    } catch (error) {
      if (run === this.#run) this.#tokenFailed(error);
      return;
    }
    if (run === this.#run) this.#open();
  }

  async #ensureToken() {
    if (this.#token && this.#world.now() < this.#tokenEnds) return;
    const run = this.#run;
    const grant = await this.#world.exchange(this.#key);
    if (run === this.#run) this.#keep(grant);
  }

  #keep({ token, user, expiresIn }) {
    this.#token = token;
    this.#user = user ?? "";
    this.#tokenEnds = this.#world.now() + expiresIn * 900; // a tenth is left for the way to the server
  }

  #tokenFailed(error) {
    if (!(error instanceof TokenError)) throw error;
    if (error.kind === "refused") this.stop(error.message);
    else this.#later(error.message, error.wait);
  }

  #open() {
    const query = this.#interval ? `?interval=${this.#interval}ms` : "";
    const socket = this.#world.open(this.#address + query, [PROTOCOL, `bearer.${this.#token}`]);
    const now = this.#world.now();
    this.#socket = socket;
    this.#welcomed = null;
    this.#drained = false;
    this.#pulse = new Pulse(now, this.#world.wall());
    let opened = false;

    const current = (handle) => (event) => {
      if (socket === this.#socket) handle(event);
    };
    socket.onopen = current(() => { opened = true; });
    socket.onmessage = current((event) => this.#heard(event.data));
    socket.onclose = current((event) => {
      this.#release();
      if (opened) this.#closed(event.code, event.reason);
      else this.#refused();
    });
    this.#beat = setInterval(() => this.#judge(now), BEAT);
  }

  /** Lets go of the socket; whatever it still says is not heard. */
  #release(code) {
    clearInterval(this.#beat);
    clearTimeout(this.#renewal);
    const socket = this.#socket;
    this.#socket = null;
    if (code) socket?.close(code);
  }

  #heard(text) {
    const now = this.#world.now();
    this.#pulse.heard(now);
    if (this.state.name === "stale") this.#enter({ name: "live" });
    const message = parse(text);
    switch (message.type) {
      case "ticker":
        this.#listener.ticker(message, now);
        break;
      case "pong":
        if (Number.isFinite(message.ts) && Number.isFinite(message.id)) this.clock.sample(message.id, now, message.ts);
        break;
      case "status":
        this.#listener.status(message);
        break;
      case "welcome":
        this.#welcomed = now;
        this.clock.reset();
        this.#pings = 0;
        this.#listener.welcome(message);
        this.#enter({ name: "live" });
        this.#ping();
        this.#renewIn(message.expires_in);
        break;
      case "refreshed":
        this.#renewIn(message.expires_in);
        break;
      case "drain":
        this.#drained = true;
        this.#enter({ name: "draining", at: now + message.reconnect_in_ms });
        break;
    }
  }

  #judge(openedAt) {
    const now = this.#world.now();
    if (this.#welcomed === null) {
      if (now - openedAt > OPENING) this.#lose("The server does not answer.");
      return;
    }
    switch (this.#pulse.judge(now, this.#world.wall())) {
      case "woke":
        this.clock.reset();
        this.#pings = 0;
        this.#enter({ name: "stale" });
        this.#ping();
        return;
      case "quiet":
        this.#enter({ name: "stale" });
        break;
      case "dead":
        this.#lose("The server stopped answering.");
        return;
    }
    const pause = this.#pulse.silence(now) < PING ? SAMPLE : PING;
    if (this.#pings < FIRST_PINGS || now - this.#pinged >= pause) this.#ping();
  }

  /** The id of a ping is the time it left, so an answer needs no bookkeeping. */
  #ping() {
    this.#pings++;
    this.#pinged = this.#world.now();
    this.#send({ type: "ping", id: this.#pinged });
  }

  #send(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  /** Asks for the next token when four fifths of this one are over, give or take, so that not all clients ask at once. */
  #renewIn(seconds) {
    clearTimeout(this.#renewal);
    if (!(seconds > 0)) return;
    const wait = Math.max(1_000, seconds * 1_000 * (0.75 + Math.random() * 0.1));
    this.#renewal = setTimeout(() => this.#renew(0), Math.min(wait, LONGEST_TIMER));
  }

  /** A refusal is left to the server: it closes with the code that says why. */
  async #renew(attempt) {
    const socket = this.#socket;
    try {
      const grant = await this.#world.exchange(this.#key);
      if (socket !== this.#socket) return;
      this.#keep(grant);
      this.#send({ type: "refresh", token: grant.token });
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      if (socket !== this.#socket || error.kind === "refused") return;
      this.#renewal = setTimeout(() => this.#renew(attempt + 1), Math.max(error.wait, backoff(attempt)));
    }
  }

  #lose(why) {
    this.#settle();
    this.#release(1000);
    this.#later(why);
  }

  #closed(code, text) {
    const lived = this.#settle();
    const decision = verdict(code, this.#drained);
    if (decision === "stop") {
      this.stop(reason(code, text));
      return;
    }
    if (code === 4001) this.#token = null;
    // A token that ends within a second of its making would otherwise make a tight loop.
    if (decision === "now" || decision === "renew" && lived > 1_000) this.#connect();
    else this.#later(reason(code, text));
  }

  /** Answers how long the connection lived, and takes a long life for a success. */
  #settle() {
    const lived = this.#welcomed === null ? 0 : this.#world.now() - this.#welcomed;
    if (lived >= STEADY) this.#attempt = 0;
    this.#welcomed = null;
    return lived;
  }

  /** The upgrade was not answered with 101. */
  async #refused() {
    const run = this.#run;
    const answer = await this.#world.probe(this.#address.replace(/^ws/, "http"), this.#token);
    if (run !== this.#run) return;
    if (answer === "forbidden") {
      this.stop("This API key may not watch prices. Please sign in with another.");
    } else if (answer === "token") {
      this.#token = null;
      this.#later("The session is no longer valid.");
    } else if (answer === "unreachable") {
      this.#later("The server cannot be reached.");
    } else if (answer) {
      this.#later("The server is restarting.", answer.wait);
    } else {
      this.#later("The server refused the connection; it may have too many.");
    }
  }

  #later(why, atLeast = 0) {
    const wait = Math.max(atLeast, backoff(this.#attempt++));
    this.#run++;
    this.#enter({ name: "reconnecting", at: this.#world.now() + wait, reason: why });
    this.#retry = setTimeout(() => this.#connect(), Math.min(wait, LONGEST_TIMER));
  }

  #enter(state) {
    if (state.name === "stale" && this.state.name === "stale") return;
    this.state = state;
    this.#listener.state(state);
  }
}
