import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../static/clock.js";

test("the offset comes from the quickest answer", () => {
  const clock = new Clock();
  assert.equal(clock.offset, null);
  clock.sample(1000, 1100, 91_090_000); // slow way back: 91090 − 1050
  assert.equal(clock.offset, 90_040);
  clock.sample(2000, 2004, 92_002_000); // 92002 − 2002
  assert.equal(clock.offset, 90_000);
  clock.sample(3000, 3500, 93_400_000);
  assert.equal(clock.offset, 90_000);
});

test("old samples are forgotten, and all of them on reset", () => {
  const clock = new Clock();
  clock.sample(0, 2, 1_000);
  for (let i = 1; i <= 10; i++) clock.sample(i * 1000, i * 1000 + 10, (i * 1000 + 5 + 50) * 1000);
  assert.equal(clock.offset, 50);
  clock.reset();
  assert.equal(clock.offset, null);
});
