import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../static/backoff.js";

test("doubles from half a second to 20 s", () => {
  const most = [0, 1, 2, 3, 4, 5, 6, 50, 5000].map((n) => backoff(n, () => 1));
  assert.deepEqual(most, [500, 1000, 2000, 4000, 8000, 16000, 20000, 20000, 20000]);
});

test("half of it is chance", () => {
  assert.equal(backoff(3, () => 0), 2000);
  for (let i = 0; i < 100; i++) assert.ok(backoff(3) >= 2000 && backoff(3) <= 4000);
});
