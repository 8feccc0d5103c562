import assert from "node:assert/strict";
import { test } from "node:test";
import { reason, verdict } from "../static/close.js";

test("the code tells what to do", () => {
  for (const code of [4500, 4501, 4750, 4999]) assert.equal(verdict(code, false), "stop");
  for (const code of [1000, 1005, 1006, 1011, 1013, 4000, 4003, 4004, 4499, 3000]) assert.equal(verdict(code, false), "later");
  assert.equal(verdict(4001, false), "renew");
  assert.equal(verdict(1001, true), "now");
  assert.equal(verdict(1001, false), "later");
});

test("a drain does not soften a revocation", () => {
  assert.equal(verdict(4500, true), "stop");
});

test("an unknown code is told with the server's words", () => {
  assert.equal(reason(4700, "blocked"), "The server closed the connection, saying “blocked” (code 4700).");
  assert.equal(reason(1011), "The server closed the connection (code 1011).");
  assert.match(reason(4500, "x"), /revoked/);
});
