import assert from "node:assert/strict";
import { test } from "node:test";
import { isNear, since } from "../static/since.js";

const start = 1_700_000_000;
const clock = new Date(start * 1_000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

test("24 hours are called so, all else by its start", () => {
  for (const age of [86_400, 86_400 + 300, 86_400 - 599]) assert.equal(since(start, start + age), "24 h");
  for (const age of [0, 3_600, 86_400 - 601]) assert.equal(since(start, start + age), `since ${clock}`);
  assert.notEqual(since(start, start + 3 * 86_400), `since ${clock}`, "the day is named too");
});

test("minutes do not matter", () => {
  assert.ok(isNear(0, 600) && isNear(600, 0));
  assert.ok(!isNear(0, 601));
});
