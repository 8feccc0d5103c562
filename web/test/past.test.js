import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, Past } from "../static/past.js";
import { Timers } from "./timers.js";

test("an answer keeps its digits, and a token is shown", async () => {
  let options;
  const answer = await ask("/api/v1/stats", "t", async (_, o) => {
    options = o;
    return new Response('{"data":[{"symbol":"A-USD","open":1.10,"high":1.20,"low":1.00,"since":5}]}');
  });
  assert.deepEqual(answer, { data: [{ symbol: "A-USD", open: "1.10", high: "1.20", low: "1.00", since: 5 }] });
  assert.equal(options.headers.Authorization, "Bearer t");
});

test("what a server does not have is told from what it cannot tell", async () => {
  const answering = (status, body = "{}") => ask("/x", "t", async () => new Response(body, { status }));
  assert.deepEqual(await answering(404), { absent: true });
  assert.deepEqual(await answering(503), { absent: false });
  assert.deepEqual(await answering(200, "<html>"), {});
  assert.deepEqual(await answering(200, "null"), {});
  assert.deepEqual(await ask("/x", "t", async () => { throw new TypeError("failed"); }), {});
});

/** A Past whose questions the test answers. */
class Stage {
  asked = []; // {path, answer(answer)}
  told = [];
  hidden = false;

  constructor(t) {
    t.mock.method(Math, "random", () => 0);
    this.timers = new Timers(t.mock);
    this.past = new Past((path) => new Promise((answer) => this.asked.push({ path, answer })), {
      asking: () => {},
      stats: (data) => this.told.push(["stats", data]),
      candles: (symbol, data) => this.told.push([symbol, data]),
    }, () => this.hidden);
  }

  /** The symbols whose candles are being asked for. */
  get candles() {
    return this.asked.map(({ path }) => /candles\?symbol=([^&]*)/.exec(path)?.[1]).filter(Boolean);
  }

  /** Answers the oldest question. */
  async answer(answer) {
    this.asked.shift().answer(answer);
    await settle();
  }

  async pass(milliseconds) {
    this.timers.advance(milliseconds);
    await settle();
  }
}

async function settle() {
  for (let i = 0; i < 10; i++) await null;
}

test("candles of what is in sight, two at a time, once each", async (t) => {
  const stage = new Stage(t);
  stage.past.want(["A-USD", "B-USD", "C-USD"]);
  stage.past.start();
  assert.deepEqual(stage.asked.map((a) => a.path), ["/api/v1/stats"]);
  await stage.answer({ data: [] });
  assert.deepEqual(stage.candles, ["A-USD", "B-USD"]);
  stage.past.want(["C-USD", "D-USD"]);
  assert.deepEqual(stage.candles, ["A-USD", "B-USD"]);
  await stage.answer({ data: [[1]] });
  assert.deepEqual(stage.candles, ["B-USD", "C-USD"]);
  await stage.answer({ absent: true });
  await stage.answer({ data: [] });
  await stage.answer({ data: [] });
  stage.past.want(["A-USD", "B-USD", "C-USD", "D-USD"]);
  assert.deepEqual(stage.asked, []);
  assert.deepEqual(stage.told, [["stats", []], ["A-USD", [[1]]], ["C-USD", []], ["D-USD", []]]);
});

test("a symbol's address is safe", async (t) => {
  const stage = new Stage(t);
  stage.past.want(["A&B-USD"]);
  stage.past.start();
  await stage.answer({ data: [] });
  assert.equal(stage.asked[0].path, "/api/v1/candles?symbol=A%26B-USD&interval=1m&limit=62");
});

test("the figures are asked for each minute, and not by a page that nobody sees", async (t) => {
  const stage = new Stage(t);
  stage.past.start();
  await stage.answer({ data: [] });
  await stage.pass(59_999);
  assert.equal(stage.asked.length, 0);
  await stage.pass(1);
  assert.equal(stage.asked.length, 1);
  await stage.answer({ data: [] });

  stage.hidden = true;
  await stage.pass(600_000);
  assert.equal(stage.asked.length, 0);
  stage.hidden = false;
  stage.past.nudge();
  stage.past.nudge();
  assert.equal(stage.asked.length, 1);
});

test("a server without a history is asked once in a connection", async (t) => {
  const stage = new Stage(t);
  stage.past.want(["A-USD"]);
  stage.past.start();
  await stage.answer({ absent: true });
  assert.deepEqual(stage.told, [["stats", []]]);
  await stage.pass(600_000);
  stage.past.nudge();
  assert.equal(stage.asked.length, 0);
  stage.past.start();
  assert.equal(stage.asked.length, 1);
});

test("one that cannot tell is asked again, more and more seldom", async (t) => {
  const stage = new Stage(t);
  stage.past.start();
  for (const wait of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
    await stage.answer({});
    await stage.pass(wait - 1);
    assert.equal(stage.asked.length, 0, `${wait}`);
    await stage.pass(1);
    assert.equal(stage.asked.length, 1, `${wait}`);
  }
  assert.deepEqual(stage.told, []);
  await stage.answer({ data: [] });
  await stage.pass(60_000);
  await stage.answer({});
  await stage.pass(5_000);
  assert.equal(stage.asked.length, 1);
});

test("candles that fail wait for the next figures", async (t) => {
  const stage = new Stage(t);
  stage.past.want(["A-USD", "B-USD", "C-USD"]);
  stage.past.start();
  await stage.answer({ data: [] });
  await stage.answer({});
  await stage.answer({ data: [] });
  assert.deepEqual(stage.candles, []);
  await stage.pass(60_000);
  await stage.answer({ data: [] });
  assert.deepEqual(stage.candles, ["A-USD", "C-USD"]);
});

test("an answer to what was asked on another connection does not count", async (t) => {
  const stage = new Stage(t);
  stage.past.want(["A-USD"]);
  stage.past.start();
  await stage.answer({ data: [] });
  stage.past.start();
  await stage.answer({ data: [[1]] });
  await stage.answer({ data: [] });
  assert.deepEqual(stage.candles, ["A-USD"]);
  stage.past.stop();
  await stage.answer({ data: [[2]] });
  await stage.pass(600_000);
  assert.deepEqual(stage.asked, []);
  assert.deepEqual(stage.told, [["stats", []], ["stats", []]]);

  stage.past.start();
  stage.past.stop();
  await stage.answer({ data: [[3]] });
  await stage.pass(600_000);
  assert.deepEqual(stage.asked, []);
  assert.equal(stage.told.length, 2);
});
