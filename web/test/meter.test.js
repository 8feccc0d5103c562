import assert from "node:assert/strict";
import { test } from "node:test";
import { Meter } from "../static/meter.js";

test("rate and median delay", () => {
  const meter = new Meter();
  for (let now = 0; now <= 5_000; now += 10) meter.message(now, now % 100 === 0 ? 500 : 4);
  assert.ok(Math.abs(meter.rate(5_000) - 100) < 1);
  assert.equal(meter.delay(5_000), 4);
});

test("after silence there is no rate and no delay", () => {
  const meter = new Meter();
  meter.message(0, 4);
  assert.equal(meter.rate(4_000), 0);
  assert.equal(meter.delay(4_000), null);
});

test("a delay is never negative, and none without a clock", () => {
  const meter = new Meter();
  meter.message(0, null);
  assert.equal(meter.delay(0), null);
  meter.message(1, -0.4);
  assert.equal(meter.delay(1), 0);
});

test("silence counts from the last message, or from the start of the connection", () => {
  const meter = new Meter();
  meter.reset(1_000);
  assert.equal(meter.silence(4_000), 3_000);
  meter.message(5_000, 1);
  assert.equal(meter.silence(5_500), 500);
});
