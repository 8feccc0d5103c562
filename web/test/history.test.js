import assert from "node:assert/strict";
import { test } from "node:test";
import { History, SPAN } from "../static/history.js";

test("samples come back in order, gaps as null", () => {
  const history = new History();
  const quotes = new Map([["A-USD", { price: "1" }]]);
  history.sample(1, quotes, () => 10);
  history.sample(2, quotes, () => NaN);
  quotes.set("B-USD", { price: "2" });
  history.sample(3, quotes, () => 30);
  assert.deepEqual(history.series("A-USD"), [[1, 2, 3], [10, null, 30]]);
  assert.deepEqual(history.series("B-USD"), [[1, 2, 3], [null, null, 30]]);
  assert.deepEqual(history.series("C-USD"), [[1, 2, 3], [null, null, null]]);
});

test("all of the time has room, without more samples, and the newest is never missing", () => {
  const history = new History();
  const quotes = new Map([["A-USD", {}]]);
  for (let i = 0; i < 5 * 3 * SPAN; i++) {
    history.sample(i / 5, quotes, () => i / 5);
    if (i % 997 > 0) continue;
    const [times, values] = history.series("A-USD");
    assert.ok(times.length <= 400);
    assert.equal(times.at(-1), i / 5);
    assert.ok(times[0] <= Math.max(0, i / 5 - SPAN), `${times[0]} of ${i / 5}`);
    assert.deepEqual(times, values);
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
  }
  history.sample(4 * SPAN, new Map(), () => 0);
  assert.equal(history.series("A-USD")[1].at(-1), null);
});

test("a clock that was set back makes forgotten what is later", () => {
  const history = new History();
  const quotes = new Map([["A-USD", {}]]);
  for (const seconds of [10, 20, 30, 15]) history.sample(seconds, quotes, () => seconds);
  assert.deepEqual(history.series("A-USD"), [[10, 15], [10, 15]]);
});

test("candles stand before the samples, without the one that is open", () => {
  const history = new History();
  history.fill("A-USD", [[0, 1, 9, 0, 2], [60, 2, 9, 0, 3], [180, 3, 9, 0, 4]], 200);
  assert.deepEqual(history.series("A-USD"), [[60, 120], [2, 3]]);
  history.sample(200, new Map([["A-USD", {}]]), () => 5);
  assert.deepEqual(history.series("A-USD"), [[60, 120, 200], [2, 3, 5]]);
  assert.deepEqual(history.series("B-USD"), [[200], [null]]);
  history.fill("A-USD", [], 200);
  assert.deepEqual(history.series("A-USD"), [[200], [5]]);
});

test("candles fill the gaps, and nothing else", () => {
  const history = new History();
  const quotes = new Map([["A-USD", {}]]);
  const values = { 30: 10, 50: NaN, 70: NaN, 150: NaN, 200: 20, 210: NaN };
  for (const [seconds, value] of Object.entries(values)) history.sample(Number(seconds), quotes, () => value);
  assert.deepEqual(history.series("A-USD"), [[30, 50, 70, 150, 200, 210], [10, null, null, null, 20, null]]);
  history.fill("A-USD", [[0, 1, 1, 1, 2], [60, 3, 3, 3, 4]], 210);
  assert.deepEqual(history.series("A-USD"), [[30, 120, 150, 200, 210], [10, 4, null, 20, null]]);
});
