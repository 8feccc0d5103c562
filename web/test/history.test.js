import assert from "node:assert/strict";
import { test } from "node:test";
import { History, SPAN, STEP } from "../static/history.js";

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

test("no more than a minute is kept, and a symbol that went is a gap", () => {
  const history = new History();
  const quotes = new Map([["A-USD", {}]]);
  const length = SPAN * 1_000 / STEP + 1;
  for (let i = 0; i < length + 50; i++) history.sample(i, quotes, () => i);
  history.sample(length + 50, new Map(), () => 0);
  const [times, values] = history.series("A-USD");
  assert.equal(times.length, length);
  assert.equal(times[0], 51);
  assert.equal(values[0], 51);
  assert.equal(values.at(-1), null);
});
