import assert from "node:assert/strict";
import { test } from "node:test";
import { notice } from "../static/notice.js";

test("a sentence for each source", () => {
  const stale = (...symbols) => [{ source: "coinbase", state: "stale", symbols }];
  assert.equal(notice([]), "");
  assert.equal(notice(stale()), "coinbase is stale.");
  assert.equal(notice(stale("A")), "coinbase is stale: the price of A is old.");
  assert.equal(notice(stale("A", "B")), "coinbase is stale: the prices of A and B are old.");
  assert.equal(notice(stale("A", "B", "C", "D")), "coinbase is stale: the prices of A, B, C and D are old.");
  assert.equal(notice(stale("A", "B", "C", "D", "E")), "coinbase is stale: the prices of A, B, C and 2 more are old.");
});

test("several exchanges together have no name", () => {
  assert.equal(notice([{ source: "composite", state: "down", symbols: ["A", "B"] }]), "There is no current price of A and B.");
  assert.equal(notice([{ source: "composite", state: "down", symbols: [] }]), "There is no current price.");
});
