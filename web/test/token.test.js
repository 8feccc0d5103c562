import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, retryAfter, TokenError } from "../static/token.js";

const answering = (status, body, headers = {}) => async () => new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });

test("a good key gives a grant, and is sent in the body only", async () => {
  let sent;
  const grant = await exchange("k1", async (address, options) => {
    sent = { address, ...options };
    return new Response('{"token":"t","user_id":"demo","role":"user","expires_in":3600}');
  });
  assert.deepEqual(grant, { token: "t", user: "demo", expiresIn: 3600 });
  assert.equal(sent.address, "/auth/token");
  assert.equal(sent.method, "POST");
  assert.equal(sent.body, '{"api_key":"k1"}');
});

const refused = async (fetch) => {
  try {
    await exchange("k", fetch);
  } catch (error) {
    assert.ok(error instanceof TokenError);
    return error;
  }
  assert.fail("not refused");
};

test("each refusal says what to do", async () => {
  const cases = [
    [400, "refused", /look like/], [401, "refused", /not valid/], [413, "refused", /look like/],
    [500, "unavailable", /may be fine/], [503, "unavailable", /just now/], [418, "unavailable", /418: teapot/],
  ];
  for (const [status, kind, message] of cases) {
    const error = await refused(answering(status, { error: "teapot" }));
    assert.equal(error.kind, kind, status);
    assert.match(error.message, message);
  }
});

test("429 says how long", async () => {
  const error = await refused(answering(429, {}, { "Retry-After": "7" }));
  assert.equal(error.kind, "limited");
  assert.equal(error.wait, 7_000);
  assert.match(error.message, /7 seconds/);
});

test("no answer, or not from tickerd", async () => {
  assert.equal((await refused(async () => { throw new TypeError("failed"); })).kind, "unreachable");
  assert.equal((await refused(answering(200, "<html>"))).kind, "unavailable");
});

test("Retry-After is seconds or a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(retryAfter("3", now), 3_000);
  assert.equal(retryAfter("Thu, 01 Jan 2026 00:00:09 GMT", now), 9_000);
  assert.equal(retryAfter("Thu, 01 Jan 2026 00:00:00 GMT", now + 5_000), 0);
  for (const none of [null, "", "soon"]) assert.equal(retryAfter(none, now), 0);
});
