import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed } from "../static/feed.js";
import { TokenError } from "../static/token.js";
import { Timers } from "./timers.js";

/** A feed on sockets and a clock that the test holds in its hand. */
class Stage {
  sockets = [];
  states = [];
  seen = [];
  tokens = 0;
  grant = () => ({ token: `t${this.tokens}`, user: "demo", expiresIn: 3600 });
  probe = async () => null;

  constructor(t) {
    t.mock.method(Math, "random", () => 0.5);
    this.timers = new Timers(t.mock);
    this.feed = new Feed("ws://host/ws/ticker", {
      state: (state) => this.states.push(state),
      ticker: (message) => this.seen.push(message),
      status: (message) => this.seen.push(message),
      welcome: () => {},
    }, {
      open: (url, protocols) => {
        const socket = {
          url, protocols, sent: [], readyState: 1,
          send(text) { this.sent.push(JSON.parse(text)); },
          close(code) { this.closed = code; },
        };
        this.sockets.push(socket);
        return socket;
      },
      exchange: async () => {
        this.tokens++;
        return this.grant();
      },
      probe: (...args) => this.probe(...args),
      now: () => this.now,
      wall: () => 1_700_000_000_000 + this.now,
    });
  }

  get now() {
    return this.timers.now;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get state() {
    return this.states.at(-1).name;
  }

  /** Lets promises settle, then time pass in steps of 100 ms. */
  async pass(milliseconds = 0) {
    await settle();
    for (let i = 0; i < milliseconds; i += 100) {
      this.timers.advance(100);
      await settle();
    }
  }

  say(message) {
    this.socket.onmessage({ data: JSON.stringify(message) });
  }

  async live() {
    this.feed.start("key");
    await this.pass();
    this.accept();
  }

  accept(expiresIn = 3600) {
    this.socket.onopen();
    this.say({ type: "welcome", expires_in: expiresIn });
  }

  async close(code, reason = "") {
    this.socket.onclose({ code, reason });
    await this.pass();
  }

  /** Time in which the server keeps talking. */
  async chat(milliseconds) {
    for (let i = 0; i < milliseconds; i += 1_000) {
      this.say({ type: "ticker", data: [] });
      await this.pass(1_000);
    }
  }
}

async function settle() {
  for (let i = 0; i < 10; i++) await null;
}

test("the token goes by subprotocol, never in the address", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  assert.equal(stage.socket.url, "ws://host/ws/ticker");
  assert.deepEqual(stage.socket.protocols, ["tickerd.v1", "bearer.t1"]);
  assert.equal(stage.state, "live");
});

test("digits reach the listener as they were sent", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  stage.socket.onmessage({ data: '{"type":"ticker","seq":1,"ts":1,"data":[{"symbol":"BTC-USD","price":42000.10,"timestamp":1}]}' });
  assert.equal(stage.seen[0].data[0].price, "42000.10");
});

test("close codes: stop, renew, at once, later", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  await stage.chat(6_000);

  await stage.close(4001);
  assert.equal(stage.sockets.length, 2, "4001 reconnects at once");
  assert.equal(stage.tokens, 2, "with a new token");
  stage.accept();

  stage.say({ type: "drain", reconnect_in_ms: 300 });
  assert.equal(stage.state, "draining");
  await stage.close(1001);
  assert.equal(stage.sockets.length, 3, "1001 after drain reconnects at once");
  assert.equal(stage.tokens, 2, "with the token it has");
  stage.accept();

  for (const code of [1001, 1006, 1013, 4003, 4004, 4499]) {
    await stage.chat(6_000);
    const before = stage.sockets.length;
    await stage.close(code);
    assert.equal(stage.state, "reconnecting", `${code}`);
    assert.equal(stage.sockets.length, before);
    await stage.pass(600);
    assert.equal(stage.sockets.length, before + 1, `${code} reconnects within the first backoff`);
    stage.accept();
  }

  await stage.close(4500);
  assert.equal(stage.state, "signed-out");
  assert.match(stage.states.at(-1).reason, /revoked/);
  const before = stage.sockets.length;
  await stage.pass(60_000);
  assert.equal(stage.sockets.length, before, "4500 stays away");
});

test("tries that fail come slower and slower", async (t) => {
  const stage = new Stage(t);
  stage.probe = async () => "unreachable";
  stage.feed.start("key");
  await stage.pass();
  const waits = [];
  for (let i = 0; i < 8; i++) {
    await stage.close(1006);
    assert.equal(stage.state, "reconnecting");
    const wait = stage.states.at(-1).at - stage.now;
    waits.push(wait);
    await stage.pass(wait + 100);
  }
  assert.ok(waits[7] >= 10_000 && waits[7] <= 20_000 && waits[0] <= 500, waits.join());
});

test("a token that ends at once does not make a tight loop", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  await stage.close(4001);
  assert.equal(stage.state, "reconnecting");
});

test("a refused upgrade is looked into", async (t) => {
  const stage = new Stage(t);
  stage.probe = async () => "token";
  stage.feed.start("key");
  await stage.pass();
  await stage.close(1006);
  await stage.pass(600);
  assert.equal(stage.tokens, 2, "401: a new token");

  stage.probe = async () => ({ wait: 5_000 });
  await stage.close(1006);
  assert.ok(stage.states.at(-1).at - stage.now >= 5_000, "503: no sooner than Retry-After");
  await stage.pass(5_100);

  stage.probe = async () => "forbidden";
  await stage.close(1006);
  assert.equal(stage.state, "signed-out", "403: no other try");
});

test("silence is shown, then given up; a word makes it live again", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  await stage.pass(3_000);
  assert.equal(stage.state, "live");
  assert.ok(stage.socket.sent.some((m) => m.type === "ping"));
  await stage.pass(1_000);
  assert.equal(stage.state, "stale");
  stage.say({ type: "pong", id: stage.now, ts: 1 });
  assert.equal(stage.state, "live");
  const old = stage.socket;
  await stage.pass(12_000);
  assert.equal(old.closed, 1000);
  assert.equal(stage.sockets.length, 2);
});

test("a socket that never opens is given up", async (t) => {
  const stage = new Stage(t);
  stage.feed.start("key");
  await stage.pass(11_000);
  assert.equal(stage.sockets.length, 2);
});

test("pings measure the clock, and are few while prices come", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  const ping = stage.socket.sent.at(-1);
  stage.timers.advance(10);
  stage.say({ type: "pong", id: ping.id, ts: (ping.id + 5 + 90_000) * 1_000 });
  assert.equal(stage.feed.clock.offset, 90_000);
  await stage.chat(30_000);
  const pings = stage.socket.sent.filter((m) => m.type === "ping").length;
  assert.ok(pings >= 6 && pings <= 9, `${pings}`);
});

test("the token is renewed before it ends", async (t) => {
  const stage = new Stage(t);
  stage.grant = () => ({ token: `t${stage.tokens}`, user: "demo", expiresIn: 60 });
  stage.feed.start("key");
  await stage.pass();
  stage.accept(60);
  await stage.chat(44_000);
  assert.equal(stage.tokens, 1);
  await stage.chat(8_000);
  assert.deepEqual(stage.socket.sent.find((m) => m.type === "refresh"), { type: "refresh", token: "t2" });
  stage.say({ type: "refreshed", expires_in: 60 });
  await stage.chat(52_000);
  assert.equal(stage.socket.sent.filter((m) => m.type === "refresh").length, 2);
  assert.equal(stage.state, "live");
});

test("a store that does not answer is asked again, a refusal is not", async (t) => {
  const stage = new Stage(t);
  let error = new TokenError("unavailable", "database");
  await stage.live();
  stage.grant = () => { throw error; };
  stage.say({ type: "refreshed", expires_in: 2 });
  await stage.chat(6_000);
  assert.ok(stage.tokens > 2);
  assert.equal(stage.state, "live");

  error = new TokenError("refused", "no such key");
  await stage.chat(20_000);
  const asked = stage.tokens;
  await stage.chat(60_000);
  assert.equal(stage.tokens, asked);
  assert.equal(stage.state, "live");
});

test("a refused key ends the session, with the reason", async (t) => {
  const stage = new Stage(t);
  stage.grant = () => { throw new TokenError("refused", "not valid"); };
  stage.feed.start("key");
  await stage.pass();
  assert.deepEqual(stage.states.at(-1), { name: "signed-out", reason: "not valid" });
});

test("Retry-After of the token is kept", async (t) => {
  const stage = new Stage(t);
  stage.grant = () => { throw new TokenError("limited", "slow down", 9_000); };
  stage.feed.start("key");
  await stage.pass();
  assert.equal(stage.states.at(-1).at, 9_000);
});

test("a nudge does not wait for the backoff", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  await stage.close(1006);
  stage.feed.nudge();
  await stage.pass();
  assert.equal(stage.sockets.length, 2);
  await stage.pass(5_000);
  assert.equal(stage.sockets.length, 2, "and the timer that was set is gone");
});

test("after signing out nothing comes back", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  const { socket } = stage;
  stage.feed.stop();
  assert.equal(socket.closed, 1000);
  socket.onmessage({ data: '{"type":"ticker","data":[]}' });
  socket.onclose({ code: 1006 });
  await stage.pass(60_000);
  assert.equal(stage.state, "signed-out");
  assert.equal(stage.sockets.length, 1);
  assert.deepEqual(stage.seen, []);
});

test("signing out while the token is under way", async (t) => {
  const stage = new Stage(t);
  stage.feed.start("key");
  stage.feed.stop();
  await stage.pass(1_000);
  assert.equal(stage.sockets.length, 0);
});

test("the interval is asked for, and kept when reconnecting", async (t) => {
  const stage = new Stage(t);
  await stage.live();
  stage.feed.pace(250);
  assert.deepEqual(stage.socket.sent.at(-1), { type: "subscribe", symbols: ["*"], interval_ms: 250 });
  await stage.close(1006);
  await stage.pass(600);
  assert.equal(stage.socket.url, "ws://host/ws/ticker?interval=250ms");
});
