import assert from "node:assert/strict";
import { test } from "node:test";
import { change, compare } from "../static/change.js";

const written = (from, to) => {
  const c = change(from, to);
  return c && `${c.sign} ${c.amount} ${c.percent}`;
};

test("the change is exact, to the finer of the two prices", () => {
  assert.equal(written("42000.1", "42012.35"), "1 +12.25 +0.03\u202f%");
  assert.equal(written("42000.10", "42000.10"), "0 \u00b10.00 \u00b10.00\u202f%");
  assert.equal(written("100", "99"), "-1 \u22121 \u22121.00\u202f%");
  assert.equal(written("0.00001000", "0.00001001"), "1 +0.00000001 +0.10\u202f%");
  assert.equal(written("0.1", "0.3"), "1 +0.2 +200.00\u202f%");
  assert.equal(written("-1.5", "1.5"), "1 +3.0 +200.00\u202f%");
  assert.equal(written("90071992547409931.1", "90071992547409931.2"), "1 +0.1 +0.00\u202f%");
});

test("from zero there is no percentage", () => {
  assert.equal(written("0.00", "5"), "1 +5.00 ");
});

test("what is not a plain decimal has no change", () => {
  for (const text of ["1e5", "", "abc", "1.", ".5"]) assert.equal(change("1", text), null);
});

test("decimals are compared by their digits", () => {
  const order = ["-1.5", "0.00000001", "1", "1.20", "90071992547409931.1", "90071992547409931.2"];
  for (const [i, a] of order.entries()) for (const [j, b] of order.entries()) assert.equal(Math.sign(compare(a, b)), Math.sign(i - j), `${a} ${b}`);
  assert.equal(compare("1.2", "1.200"), 0);
  assert.equal(compare("x", "1"), 0);
});
