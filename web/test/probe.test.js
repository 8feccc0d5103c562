import assert from "node:assert/strict";
import { test } from "node:test";
import { probe } from "../static/probe.js";

test("the status of the plain request tells why the upgrade failed", async () => {
  const ask = (status, headers) => probe("http://h/ws/ticker", "t", async (_, options) => {
    assert.equal(options.headers.Authorization, "Bearer t");
    return new Response("", { status, headers });
  });
  assert.equal(await ask(401), "token");
  assert.equal(await ask(403), "forbidden");
  assert.deepEqual(await ask(503, { "Retry-After": "2" }), { wait: 2_000 });
  assert.equal(await ask(426), null);
  assert.equal(await probe("http://h", "t", async () => { throw new TypeError("failed"); }), "unreachable");
});
