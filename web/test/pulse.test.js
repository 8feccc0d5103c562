import assert from "node:assert/strict";
import { test } from "node:test";
import { DEAD, Pulse, QUIET } from "../static/pulse.js";

const WALL = 1_700_000_000_000;

test("silence makes quiet, then dead", () => {
  const pulse = new Pulse(0, WALL);
  const verdicts = {};
  for (let now = 500; now <= 12_000; now += 500) verdicts[now] = pulse.judge(now, WALL + now);
  assert.equal(verdicts[QUIET - 500], "ok");
  assert.equal(verdicts[QUIET], "quiet");
  assert.equal(verdicts[DEAD - 500], "quiet");
  assert.equal(verdicts[DEAD], "dead");
});

test("anything heard makes it ok again", () => {
  const pulse = new Pulse(0, WALL);
  for (let now = 500; now <= 8_000; now += 500) pulse.judge(now, WALL + now);
  pulse.heard(8_100);
  assert.equal(pulse.judge(8_500, WALL + 8_500), "ok");
});

test("after a sleep the other end gets time to answer", () => {
  const pulse = new Pulse(0, WALL);
  assert.equal(pulse.judge(60_000, WALL + 60_000), "woke");
  assert.equal(pulse.judge(60_500, WALL + 60_500), "quiet");
  assert.equal(pulse.judge(63_000, WALL + 63_000), "quiet");
  assert.equal(pulse.judge(66_000, WALL + 66_000), "quiet");
  assert.equal(pulse.judge(66_500, WALL + 66_500), "dead");
});

test("a timer that comes late while messages come is no sleep", () => {
  const pulse = new Pulse(0, WALL);
  pulse.heard(59_900);
  assert.equal(pulse.judge(60_000, WALL + 60_000), "ok");
});

test("a sleep that stopped the clock shows in the time of day", () => {
  const pulse = new Pulse(0, WALL);
  pulse.heard(400);
  assert.equal(pulse.judge(500, WALL + 3_600_500), "woke");
});
